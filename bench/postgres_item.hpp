#pragma once

#include <sched.h>

#include <cstdint>
#include <string>

#include "querymark/postgres/postgres.hpp"
#include "rounds.hpp"

namespace querymark::bench {

/// A database on a private PostgreSQL server (one for the whole program, durable, reached by its
/// unix socket) with the same tables as ItemFile, migrated for querymark.
class ItemDatabase {
 public:
  explicit ItemDatabase(std::uint32_t items);
  [[nodiscard]] const std::string& url() const noexcept { return url_; }

 private:
  std::string url_;
};

/// Keeps this thread, and those that it starts, on one core, and the server's new connections on
/// the same or another one, for as long as it lives. Left to the scheduler, a round trip takes 10
/// or 80 us, by the luck of who is where.
class Pinned {
 public:
  enum class Server : std::uint8_t { same_core, other_core };
  explicit Pinned(Server where);
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  ~Pinned();

 private:
  cpu_set_t client_{}, server_{};  // before
};

[[nodiscard]] postgres::Options postgres_item_options();

/// False, and said loudly for each of the subjects that are wanted, when no server is installed.
template <class... Subjects>
[[nodiscard]] bool postgres_wanted(const Options& options, Report& report, std::string_view bench,
                                   Subjects... subjects);
[[nodiscard]] bool postgres_installed();
/// Of the server of all ItemDatabases.
[[nodiscard]] pid_t postgres_server_pid();

template <class... Subjects>
bool postgres_wanted(const Options& options, Report& report, std::string_view bench,
                     Subjects... subjects) {
  const bool wanted = (options.wants(subjects) || ...);
  if (!wanted || postgres_installed()) return wanted;
  ((options.wants(subjects) ? report.absent(bench, subjects, "postgresql-15") : void()), ...);
  return false;
}

}  // namespace querymark::bench

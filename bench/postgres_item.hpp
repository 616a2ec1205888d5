#pragma once

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

[[nodiscard]] postgres::Options postgres_item_options();

/// False, and said loudly for each of the subjects that are wanted, when no server is installed.
template <class... Subjects>
[[nodiscard]] bool postgres_wanted(const Options& options, Report& report, std::string_view bench,
                                   Subjects... subjects);
[[nodiscard]] bool postgres_installed();

template <class... Subjects>
bool postgres_wanted(const Options& options, Report& report, std::string_view bench,
                     Subjects... subjects) {
  const bool wanted = (options.wants(subjects) || ...);
  if (!wanted || postgres_installed()) return wanted;
  ((options.wants(subjects) ? report.absent(bench, subjects, "postgresql-15") : void()), ...);
  return false;
}

}  // namespace querymark::bench

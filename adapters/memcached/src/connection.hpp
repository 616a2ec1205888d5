#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "buffered_reader.hpp"
#include "pooled_connection.hpp"

// What of memcached's text protocol a tier needs. Values of any bytes come with their length.

namespace querymark::memcached {

using net::Deadline;

/// Something that a server holds.
struct Item {
  std::string_view key{};    ///< Valid until more is read.
  std::string_view bytes{};  ///< The same. Of more than was asked for: nothing.
  std::uint64_t cas = 0;     ///< What `replace` names it by; of `get`: 0.
};

/// What became of something that was to be stored.
enum class Stored : std::uint8_t {
  yes,
  no,         ///< Another one was there first, or is there no more.
  too_large,  ///< For an item of this server; what was there may be gone.
};

/// A connection to one server, from which nobody vouches for what comes: it is read as far as it was
/// asked for, and anything else throws Error. For one thread at a time.
class Connection : public net::PooledConnection {
 public:
  /// `where` is for messages; items of more than `max_bytes` are not kept.
  Connection(std::unique_ptr<net::Channel> channel, std::string where, std::size_t max_bytes)
      : PooledConnection(std::move(channel)),
        reader_(this->channel()),
        where_(std::move(where)),
        max_bytes_(max_bytes) {}

  /// Asks for all of the keys, which spaces separate, by `get`, or by `gets` for one that may be
  /// replaced; `next` gives those that are there. The server reads the whole question before it answers, so
  /// both never wait for each other.
  void ask(std::string_view command, std::string_view keys, Deadline deadline);
  /// Nothing: that was all.
  [[nodiscard]] std::optional<Item> next(Deadline deadline);

  /// Something to be stored: what is not there, or in the place of what `gets` has found, if that is
  /// still there.
  struct Store {
    std::string_view key{};
    std::string_view bytes{};
    std::chrono::seconds ttl{};
    std::optional<std::uint64_t> replaces{};  ///< The `cas` of what was found.
  };
  /// How many may be sent before the first answer is heard: these fit into any socket's buffer, so the
  /// server never waits for us while we wait for it.
  static constexpr std::size_t kAtOnce = 100;
  /// Sends them; `stored` gives the answers, in the same order.
  void send_stores(std::span<const Store> stores, Deadline deadline);
  /// Throws Error where the server refuses: connection_lost() unless the answers to others come still.
  [[nodiscard]] Stored stored(Deadline deadline);
  [[nodiscard]] Stored store(const Store& store, Deadline deadline) {
    send_stores({&store, 1}, deadline);
    return stored(deadline);
  }
  /// Returns how many were there.
  [[nodiscard]] std::size_t remove(std::span<const std::string> keys, Deadline deadline);

  [[nodiscard]] bool usable() noexcept { return usable_if(reader_.empty()); }

 private:
  /// `lost`: also where the server only refuses, since what comes next is no answer to what is asked next.
  [[noreturn]] void refuse(std::string_view line, bool lost = false) const;

  net::BufferedReader reader_;
  std::string where_;
  std::size_t max_bytes_;
  std::string held_key_;
};

}  // namespace querymark::memcached

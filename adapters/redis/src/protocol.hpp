#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "buffered_reader.hpp"
#include "channel.hpp"

// What of Redis' protocol (RESP 2) is needed: commands, which are lists of words of any bytes, and
// answers. Values are read where they were received: nothing is copied.

namespace querymark::redis {

/// Appends one command.
void append_command(std::string& out, std::span<const std::string_view> words);
inline void append_command(std::string& out, std::initializer_list<std::string_view> words) {
  append_command(out, std::span(words.begin(), words.size()));
}

struct Reply {
  /// A list is its length, and that many replies follow it.
  enum class Is : std::uint8_t { text, number, nothing, error, list };

  Is is = Is::nothing;
  std::string_view text{};  ///< Of text and errors; valid until the next reply is asked for.
  std::int64_t number = 0;
};

/// Reads replies from a channel, from a server that nobody vouches for: what is no reply, or larger
/// than `max_bytes`, is found out before it is received, and throws Error.
class ReplyReader {
 public:
  ReplyReader(Channel& channel, std::size_t max_bytes);

  /// Blocks for the next reply, in the order of the commands.
  [[nodiscard]] Reply next(Deadline deadline);
  /// Whether all that was received has been asked for.
  [[nodiscard]] bool empty() const noexcept { return reader_.empty(); }

 private:
  [[nodiscard]] std::string_view bulk(std::int64_t size, Deadline deadline);

  net::BufferedReader reader_;
  std::size_t max_bytes_;
};

}  // namespace querymark::redis

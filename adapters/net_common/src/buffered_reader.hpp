#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "byte_channel.hpp"

namespace querymark::net {

/// Reads lines and blocks of known sizes from a channel, in place. Takes no more memory than the
/// largest block and one line, whoever speaks. For one thread at a time.
class BufferedReader {
 public:
  /// What no line of the other side is longer than.
  static constexpr std::size_t kMaxLine = 16U << 10U;

  /// `complaint` begins the message about what breaks the protocol's rules for lines; a literal.
  explicit BufferedReader(Channel& channel,
                          const char* complaint = "what answers speaks another protocol")
      : channel_(channel), complaint_(complaint) {}

  /// Blocks for a line and gives it without its end (CR LF); valid until more is asked for. Throws
  /// Error, with `connection_lost`, for a line that has no such end or none at all.
  [[nodiscard]] std::string_view line(Deadline deadline);
  /// Blocks for so many bytes; valid until more is asked for. The caller has judged the size.
  [[nodiscard]] std::string_view block(std::size_t size, Deadline deadline);
  /// Blocks for so many bytes, and keeps none.
  void skip(std::size_t size, Deadline deadline);
  /// Whether all that was received has been asked for.
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }

 private:
  void receive(std::size_t at_least, Deadline deadline);
  [[noreturn]] void no_line(const char* why) const;

  Channel& channel_;
  const char* complaint_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;  // what was received and not yet asked for stands between them
  std::size_t end_ = 0;
};

}  // namespace querymark::net

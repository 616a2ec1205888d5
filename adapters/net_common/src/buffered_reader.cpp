#include "buffered_reader.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "querymark/support/error.hpp"

namespace querymark::net {
namespace {

constexpr std::size_t kChunk = 16U << 10U;  // received at once, where nothing is known
constexpr std::size_t kKeepBuffer = 256U << 10U;

}  // namespace

void BufferedReader::no_line(const char* why) const {
  throw Error(std::string(complaint_) + ": " + why, {.connection_lost = true});
}

void BufferedReader::receive(std::size_t at_least, Deadline deadline) {
  const std::size_t held = end_ - begin_;
  if (held == 0 && buffer_.size() > kKeepBuffer) std::vector<char>().swap(buffer_);
  if (held > 0 && begin_ > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, held);
  begin_ = 0;
  end_ = held;
  if (buffer_.size() < held + std::max(at_least, kChunk))
    buffer_.resize(held + std::max(at_least, kChunk));
  for (const std::size_t wanted = end_ + at_least; end_ < wanted;)
    end_ += channel_.receive(buffer_.data() + end_, buffer_.size() - end_, deadline);
}

std::string_view BufferedReader::line(Deadline deadline) {
  for (std::size_t looked = 0;;) {
    const std::string_view held(buffer_.data() + begin_, end_ - begin_);
    const std::size_t end = held.find('\n', looked);
    if (end != std::string_view::npos) {
      if (end == 0 || held[end - 1] != '\r') no_line("a line ends without a carriage return");
      begin_ += end + 1;
      return held.substr(0, end - 1);
    }
    if (held.size() > kMaxLine) no_line("a line never ends");
    looked = held.size();
    receive(1, deadline);
  }
}

std::string_view BufferedReader::block(std::size_t size, Deadline deadline) {
  if (end_ - begin_ < size) receive(size - (end_ - begin_), deadline);
  const std::string_view held(buffer_.data() + begin_, size);
  begin_ += size;
  return held;
}

void BufferedReader::skip(std::size_t size, Deadline deadline) {
  while (size > 0) {
    const std::size_t part = std::min(size, kChunk);
    static_cast<void>(block(part, deadline));
    size -= part;
  }
}

}  // namespace querymark::net

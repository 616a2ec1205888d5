#include "protocol.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "querymark/support/error.hpp"

namespace querymark::redis {
namespace {

constexpr std::size_t kMaxLine = 16U << 10U;  // numbers, and what errors say
constexpr std::size_t kChunk = 16U << 10U;    // received at once, where nothing is known
constexpr std::size_t kKeepBuffer = 256U << 10U;

[[noreturn]] void no_redis(const std::string& what) {
  throw Error("what answers speaks no Redis: " + what, {.connection_lost = true});
}

std::int64_t number_in(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) no_redis("a number is none");
  return number;
}

}  // namespace

void append_command(std::string& out, std::initializer_list<std::string_view> words) {
  out.append("*").append(std::to_string(words.size())).append("\r\n");
  for (const std::string_view word : words)
    out.append("$").append(std::to_string(word.size())).append("\r\n").append(word).append("\r\n");
}

void ReplyReader::receive(std::size_t at_least, Deadline deadline) {
  const std::size_t held = end_ - begin_;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, held);
    begin_ = 0;
    end_ = held;
  }
  if (buffer_.size() < held + std::max(at_least, kChunk))
    buffer_.resize(held + std::max(at_least, kChunk));
  for (const std::size_t wanted = end_ + at_least; end_ < wanted;)
    end_ += channel_.receive(buffer_.data() + end_, buffer_.size() - end_, deadline);
}

std::string_view ReplyReader::line(Deadline deadline) {
  for (std::size_t looked = 0;;) {
    const std::string_view held(buffer_.data() + begin_, end_ - begin_);
    const std::size_t end = held.find('\n', looked);
    if (end != std::string_view::npos) {
      if (end == 0 || held[end - 1] != '\r') no_redis("a line ends without a carriage return");
      begin_ += end + 1;
      return held.substr(0, end - 1);
    }
    if (held.size() > kMaxLine) no_redis("a line never ends");
    looked = held.size();
    receive(1, deadline);
  }
}

std::string_view ReplyReader::bulk(std::int64_t size, Deadline deadline) {
  if (size < 0 || static_cast<std::uint64_t>(size) > max_bytes_)
    no_redis("a value of " + std::to_string(size) + " bytes, where no such was asked for");
  const std::size_t wanted = static_cast<std::size_t>(size) + 2;
  if (end_ - begin_ < wanted) receive(wanted - (end_ - begin_), deadline);
  const std::string_view held(buffer_.data() + begin_, wanted);
  if (!held.ends_with("\r\n")) no_redis("a value does not end where it said");
  begin_ += wanted;
  return held.substr(0, wanted - 2);
}

Reply ReplyReader::next(Deadline deadline) {
  if (empty()) {
    begin_ = end_ = 0;
    if (buffer_.size() > kKeepBuffer) std::vector<char>().swap(buffer_);
  }
  const std::string_view head = line(deadline);
  const char kind = head.empty() ? '\0' : head.front();
  const std::string_view rest = head.substr(std::min<std::size_t>(head.size(), 1));
  switch (kind) {
    case '+':
      return {.is = Reply::Is::text, .text = rest};
    case '-':
      return {.is = Reply::Is::error, .text = rest};
    case ':':
      return {.is = Reply::Is::number, .number = number_in(rest)};
    case '$': {
      const std::int64_t size = number_in(rest);
      if (size == -1) return {};
      return {.is = Reply::Is::text, .text = bulk(size, deadline)};
    }
    case '*': {
      const std::int64_t length = number_in(rest);
      if (length == -1) return {};
      if (length < 0) no_redis("a list of less than nothing");
      return {.is = Reply::Is::list, .number = length};
    }
    default:
      no_redis("an answer of an unknown kind");
  }
}

}  // namespace querymark::redis

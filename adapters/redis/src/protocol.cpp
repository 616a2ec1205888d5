#include "protocol.hpp"

#include <algorithm>
#include <charconv>

#include "querymark/support/error.hpp"

namespace querymark::redis {
namespace {

constexpr char kNoRedis[] = "what answers speaks no Redis";

[[noreturn]] void no_redis(const std::string& what) {
  throw Error(kNoRedis + (": " + what), {.connection_lost = true});
}

std::int64_t number_in(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) no_redis("a number is none");
  return number;
}

}  // namespace

void append_command(std::string& out, std::span<const std::string_view> words) {
  out.append("*").append(std::to_string(words.size())).append("\r\n");
  for (const std::string_view word : words)
    out.append("$").append(std::to_string(word.size())).append("\r\n").append(word).append("\r\n");
}

ReplyReader::ReplyReader(Channel& channel, std::size_t max_bytes)
    : reader_(channel, kNoRedis), max_bytes_(max_bytes) {}

std::string_view ReplyReader::bulk(std::int64_t size, Deadline deadline) {
  if (size < 0 || static_cast<std::uint64_t>(size) > max_bytes_)
    no_redis("a value of " + std::to_string(size) + " bytes, where no such was asked for");
  const std::string_view held = reader_.block(static_cast<std::size_t>(size) + 2, deadline);
  if (!held.ends_with("\r\n")) no_redis("a value does not end where it said");
  return held.substr(0, held.size() - 2);
}

Reply ReplyReader::next(Deadline deadline) {
  const std::string_view head = reader_.line(deadline);
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

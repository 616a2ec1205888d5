#include "connection.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "querymark/support/error.hpp"

namespace querymark::memcached {
namespace {

constexpr std::size_t kMaxKey = 250;
constexpr std::size_t kMaxItem = 1U << 30U;  // what a server can be told to take at most

// Up to the next space.
std::string_view next_word(std::string_view& line) noexcept {
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(std::min(line.size(), word.size() + 1));
  return word;
}

template <class Number>
bool read_number(std::string_view text, Number& number) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

void Connection::refuse(std::string_view line, bool lost) const {
  constexpr std::size_t kShown = 200;
  // A server that refuses, with a reason; all else is none.
  const bool refuses =
      line.starts_with("SERVER_ERROR") || line.starts_with("CLIENT_ERROR") || line == "ERROR";
  throw Error(where_ + (refuses ? ": " : ": this is no answer of memcached: ") +
                  std::string(line.substr(0, kShown)),
              {.retryable = true, .connection_lost = !refuses || lost});
}

void Connection::ask(std::string_view command, std::string_view keys, Deadline deadline) {
  std::string question;
  question.reserve(command.size() + keys.size() + 3);
  question.append(command).append(" ").append(keys).append("\r\n");
  send(question, deadline);
}

std::optional<Item> Connection::next(Deadline deadline) {
  const std::string_view line = reader_.line(deadline);
  if (line == "END") return std::nullopt;
  std::string_view rest = line;
  const std::string_view kind = next_word(rest);
  const std::string_view key = next_word(rest);
  const std::string_view flags = next_word(rest);
  const std::string_view size_text = next_word(rest);
  Item item;
  std::uint32_t ignored = 0;
  std::size_t size = 0;
  if (kind != "VALUE" || key.empty() || key.size() > kMaxKey || !read_number(flags, ignored) ||
      !read_number(size_text, size) || size > kMaxItem ||
      (!rest.empty() && !read_number(rest, item.cas)))
    refuse(line);
  held_key_ = key;  // the line goes when more is read
  item.key = held_key_;
  if (size > max_bytes_) {
    reader_.skip(size, deadline);
    if (reader_.block(2, deadline) != "\r\n") refuse("a value does not end where it said");
    return item;
  }
  const std::string_view block = reader_.block(size + 2, deadline);
  if (!block.ends_with("\r\n")) refuse("a value does not end where it said");
  item.bytes = block.substr(0, size);
  return item;
}

void Connection::send_stores(std::span<const Store> stores, Deadline deadline) {
  constexpr std::size_t kPiece = 64
                                 << 10;  // small ones go together, large ones are not copied twice
  std::string commands;
  for (const Store& store : stores) {
    commands.append(store.replaces ? "cas " : "add ").append(store.key).append(" 0 ");
    commands.append(std::to_string(store.ttl.count())).append(" ");
    commands.append(std::to_string(store.bytes.size()));
    if (store.replaces) commands.append(" ").append(std::to_string(*store.replaces));
    commands.append("\r\n").append(store.bytes).append("\r\n");
    if (commands.size() < kPiece) continue;
    send(commands, deadline);
    commands.clear();
  }
  if (!commands.empty()) send(commands, deadline);
}

Stored Connection::stored(Deadline deadline) {
  const std::string_view line = reader_.line(deadline);
  if (line == "STORED") return Stored::yes;
  if (line == "NOT_STORED" || line == "EXISTS" || line == "NOT_FOUND") return Stored::no;
  if (line.starts_with("SERVER_ERROR object too large")) return Stored::too_large;
  // A command that it has not understood: what was to be stored may be the next one to it.
  refuse(line, !line.starts_with("SERVER_ERROR"));
}

std::size_t Connection::remove(std::span<const std::string> keys, Deadline deadline) {
  std::size_t removed = 0;
  for (; !keys.empty(); keys = keys.subspan(std::min(kAtOnce, keys.size()))) {
    const auto part = keys.first(std::min(kAtOnce, keys.size()));
    std::string commands;
    for (const std::string& key : part) commands.append("delete ").append(key).append("\r\n");
    send(commands, deadline);
    for (std::size_t i = 0; i < part.size(); ++i) {
      const std::string_view line = reader_.line(deadline);
      if (line == "DELETED")
        ++removed;
      else if (line != "NOT_FOUND")
        refuse(line, true);  // the others' answers come to nobody
    }
  }
  return removed;
}

}  // namespace querymark::memcached

#include "sql_tokens.hpp"

#include <algorithm>

#include "querymark/support/ascii.hpp"
#include "querymark/support/bytes.hpp"

// After the server's scanner, src/backend/parser/scan.l.

namespace querymark::postgres {
namespace {

// Bytes of other alphabets are letters to the server, a no-break space too.
constexpr bool begins_word(char c) noexcept {
  return ascii::is_letter(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

constexpr bool is_line_end(char c) noexcept { return c == '\n' || c == '\r'; }

void append_utf8(std::string& out, std::uint32_t code) {
  const auto add = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xC0 | (code >> 6U));
    add(0x80 | (code & 0x3FU));
  } else if (code < 0x10000) {
    add(0xE0 | (code >> 12U));
    add(0x80 | ((code >> 6U) & 0x3FU));
    add(0x80 | (code & 0x3FU));
  } else {
    add(0xF0 | ((code >> 18U) & 0x07U));
    add(0x80 | ((code >> 12U) & 0x3FU));
    add(0x80 | ((code >> 6U) & 0x3FU));
    add(0x80 | (code & 0x3FU));
  }
}

// The number that `digits` hexadecimal digits stand for; nothing for other characters.
std::optional<std::uint32_t> hex_number(std::string_view digits, std::size_t count) {
  if (digits.size() < count) return std::nullopt;
  std::uint32_t value = 0;
  for (const char c : digits.substr(0, count)) {
    const char lower = ascii::to_lower(c);
    if (ascii::is_digit(lower))
      value = value * 16 + static_cast<std::uint32_t>(lower - '0');
    else if (lower >= 'a' && lower <= 'f')
      value = value * 16 + static_cast<std::uint32_t>(lower - 'a' + 10);
    else
      return std::nullopt;
  }
  return value;
}

// What U&"..." means: \0061 and \+000061 are characters, a doubled escape is itself.
std::string unescaped(std::string_view text, char escape) {
  std::string out;
  while (!text.empty()) {
    if (text.front() != escape) {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    text.remove_prefix(1);
    const bool is_long = text.starts_with('+');
    const std::string_view digits = is_long ? text.substr(1) : text;
    const std::size_t count = is_long ? 6 : 4;
    if (const auto code = hex_number(digits, count)) {
      append_utf8(out, *code);
      text = digits.substr(count);
    } else {
      out += escape;
      if (text.starts_with(escape)) text.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace

void SqlTokens::skip_line_comment() noexcept {
  while (at_ < sql_.size() && !is_line_end(sql_[at_])) ++at_;
}

void SqlTokens::skip_block_comment() noexcept {
  std::size_t depth = 0;
  do {
    if (rest().starts_with("/*")) {
      ++depth;
      at_ += 2;
    } else if (rest().starts_with("*/")) {
      --depth;
      at_ += 2;
    } else {
      ++at_;
    }
  } while (depth > 0 && at_ < sql_.size());
}

void SqlTokens::skip_blank() noexcept {
  for (;;) {
    if (ascii::is_blank(peek()))
      ++at_;
    else if (rest().starts_with("--"))
      skip_line_comment();
    else if (rest().starts_with("/*"))
      skip_block_comment();
    else
      return;
  }
}

// Whether a string constant goes on behind its quote: white space with a line's end in it, and
// another quote. Moves behind that.
bool SqlTokens::goes_on() noexcept {
  const std::size_t before = at_;
  bool line_ended = false;
  for (;;) {
    if (ascii::is_blank(peek())) {
      line_ended |= is_line_end(peek());
      ++at_;
    } else if (rest().starts_with("--")) {
      skip_line_comment();
    } else {
      break;
    }
  }
  if (line_ended && peek() == '\'') {
    ++at_;
    return true;
  }
  at_ = before;
  return false;
}

// From behind the opening quote.
void SqlTokens::read_text(bool escapes) noexcept {
  while (at_ < sql_.size()) {
    const char c = sql_[at_++];
    if (c == '\\' && escapes) {
      if (at_ < sql_.size()) ++at_;
    } else if (c == '\'') {
      if (peek() == '\'')
        ++at_;
      else if (!goes_on())
        return;
    }
  }
}

bool SqlTokens::read_dollar_quoted() noexcept {
  std::size_t length = 1;
  if (begins_word(peek(length)))
    while (begins_word(peek(length)) || ascii::is_digit(peek(length))) ++length;
  if (peek(length) != '$') return false;
  const std::string_view tag = rest().substr(0, length + 1);
  const std::size_t close = sql_.find(tag, at_ + tag.size());
  at_ = close == std::string_view::npos ? sql_.size() : close + tag.size();
  return true;
}

// From behind the opening quote; a doubled quote is one of the name's.
std::string SqlTokens::read_name() noexcept {
  std::string name;
  while (at_ < sql_.size()) {
    const char c = sql_[at_++];
    if (c == '"') {
      if (peek() != '"') break;
      ++at_;
    }
    name += c;
  }
  return name;
}

// Digits with a point and an exponent. What follows at once is a token of its own: how servers
// differ there is an error for some and a word for others.
void SqlTokens::read_number() noexcept {
  const auto digits = [&] {
    while (ascii::is_digit(peek())) ++at_;
  };
  digits();
  if (peek() == '.') {
    ++at_;
    digits();
  }
  if (ascii::to_lower(peek()) == 'e') {
    const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 2 : 1;
    if (ascii::is_digit(peek(sign))) {
      at_ += sign;
      digits();
    }
  }
}

// The character of `UESCAPE 'x'`, if that follows; else a backslash.
char SqlTokens::read_uescape() noexcept {
  const std::size_t before = at_;
  skip_blank();
  if (ascii::equal(rest().substr(0, 7), "uescape")) {
    at_ += 7;
    skip_blank();
    if (peek() == '\'' && peek(2) == '\'') {
      const char escape = peek(1);
      at_ += 3;
      return escape;
    }
  }
  at_ = before;
  return '\\';
}

void SqlTokens::read(SqlToken& token) {
  using Kind = SqlToken::Kind;
  const char first = peek();
  const char letter = ascii::to_lower(first);
  if (first == '\'') {
    ++at_;
    token.kind = Kind::text;
    read_text(backslash_ == Backslash::escapes);
  } else if (peek(1) == '\'' &&
             (letter == 'e' || letter == 'n' || letter == 'b' || letter == 'x')) {
    at_ += 2;
    token.kind = Kind::text;
    // N'...' is a plain constant behind a key word; the digits of B and X hold no backslash.
    read_text(letter == 'e' || (letter == 'n' && backslash_ == Backslash::escapes));
  } else if (letter == 'u' && peek(1) == '&' && (peek(2) == '\'' || peek(2) == '"')) {
    const bool is_text = peek(2) == '\'';
    at_ += 3;
    if (is_text) {
      token.kind = Kind::text;
      read_text(false);
    } else {
      token.kind = Kind::name;
      const std::string escaped = read_name();
      token.name = unescaped(escaped, read_uescape());
    }
  } else if (first == '"') {
    ++at_;
    token.kind = Kind::name;
    token.name = read_name();
  } else if (begins_word(first)) {
    token.kind = Kind::word;
    while (begins_word(peek()) || ascii::is_digit(peek()) || peek() == '$') ++at_;
    token.name = ascii::to_lower(sql_.substr(token.begin, at_ - token.begin));
  } else if (ascii::is_digit(first) || (first == '.' && ascii::is_digit(peek(1)))) {
    token.kind = Kind::number;
    read_number();
  } else if (first == '$' && ascii::is_digit(peek(1))) {
    token.kind = Kind::parameter;
    for (++at_; ascii::is_digit(peek());) ++at_;
  } else if (first == '$' && read_dollar_quoted()) {
    token.kind = Kind::text;
  } else {
    token.character = first;
    ++at_;
  }
}

std::optional<SqlToken> SqlTokens::next() {
  skip_blank();
  if (at_ >= sql_.size()) return std::nullopt;
  SqlToken token;
  token.begin = at_;
  read(token);
  token.end = at_;
  return token;
}

}  // namespace querymark::postgres

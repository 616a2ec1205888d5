#include "sql_tokens.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <utility>

#include "querymark/support/ascii.hpp"

namespace querymark::sqlite {
namespace {

bool begins_name(char c) noexcept {
  return ascii::is_letter(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

bool continues_name(char c) noexcept { return begins_name(c) || ascii::is_digit(c) || c == '$'; }

// SQLite's own blanks: no vertical tab among them.
bool is_space(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

class TokenReader {
 public:
  explicit TokenReader(std::string_view sql) : sql_(sql) {}

  std::optional<std::vector<Token>> read() {
    while (skip_blanks(), at_ < sql_.size())
      if (!take()) return std::nullopt;
    if (depth_ != 0) return std::nullopt;
    return std::move(tokens_);
  }

 private:
  [[nodiscard]] char peek(std::size_t ahead = 0) const noexcept {
    return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0';
  }

  void skip_blanks() {
    while (at_ < sql_.size()) {
      const std::string_view rest = sql_.substr(at_);
      if (is_space(rest.front()))
        ++at_;
      else if (rest.starts_with("\xEF\xBB\xBF"))
        at_ += 3;
      else if (rest.starts_with("--"))
        at_ = std::min(sql_.find('\n', at_), sql_.size());
      else if (rest.starts_with("/*") && rest.size() > 2)
        at_ = std::min(sql_.find("*/", at_ + 2), sql_.size() - 2) + 2;
      else
        break;
    }
  }

  void add(Token::Kind kind, std::string text) {
    tokens_.push_back({.kind = kind, .text = std::move(text), .depth = depth_});
  }

  bool take() {
    const char c = peek();
    if (c == '\0') return false;
    if (c == '\'') return take_quoted(Token::Kind::string, '\'');
    if (c == '"' || c == '`') return take_quoted(Token::Kind::name, c);
    if (c == '[') return take_bracketed();
    if ((c == 'x' || c == 'X') && peek(1) == '\'') return take_blob();
    if (ascii::is_digit(c) || (c == '.' && ascii::is_digit(peek(1)))) return take_number();
    if (begins_name(c)) {
      add(Token::Kind::word, taken_while(continues_name));
      return true;
    }
    if (c == '?' || c == ':' || c == '@' || c == '$') return take_parameter();
    return take_symbol();
  }

  template <class Belongs>
  std::string taken_while(Belongs belongs) {
    const std::size_t begin = at_;
    while (at_ < sql_.size() && belongs(sql_[at_])) ++at_;
    return std::string(sql_.substr(begin, at_ - begin));
  }

  bool take_quoted(Token::Kind kind, char quote) {
    std::string text;
    for (++at_; at_ < sql_.size(); ++at_) {
      if (sql_[at_] != quote) {
        text += sql_[at_];
        continue;
      }
      if (peek(1) != quote) {
        ++at_;
        add(kind, std::move(text));
        return true;
      }
      text += quote;
      ++at_;
    }
    return false;
  }

  bool take_bracketed() {
    const std::size_t end = sql_.find(']', at_);
    if (end == std::string_view::npos) return false;
    add(Token::Kind::name, std::string(sql_.substr(at_ + 1, end - at_ - 1)));
    at_ = end + 1;
    return true;
  }

  bool take_blob() {
    const std::size_t end = sql_.find('\'', at_ + 2);
    if (end == std::string_view::npos) return false;
    add(Token::Kind::symbol, std::string(sql_.substr(at_, end + 1 - at_)));
    at_ = end + 1;
    return true;
  }

  bool take_number() {
    std::string text;
    if (peek() == '0' && (peek(1) == 'x' || peek(1) == 'X')) {
      text = taken_while(continues_name);
    } else {
      text = taken_while(ascii::is_digit);
      if (peek() == '.') {
        text += '.';
        ++at_;
        text += taken_while(ascii::is_digit);
      }
      const bool is_signed = peek(1) == '+' || peek(1) == '-';
      if ((peek() == 'e' || peek() == 'E') && ascii::is_digit(peek(is_signed ? 2 : 1))) {
        text += sql_.substr(at_, is_signed ? 2 : 1);
        at_ += is_signed ? 2 : 1;
        text += taken_while(ascii::is_digit);
      }
    }
    if (at_ < sql_.size() && continues_name(peek())) return false;
    add(Token::Kind::number, std::move(text));
    return true;
  }

  // A number of its own, a given one, or that of the name.
  bool take_parameter() {
    std::string name(1, sql_[at_++]);
    std::size_t number = 0;
    if (name == "?") {
      const std::string digits = taken_while(ascii::is_digit);
      const auto end = digits.data() + digits.size();
      if (digits.empty())
        number = last_parameter_ + 1;
      else if (std::from_chars(digits.data(), end, number).ptr != end || number == 0)
        return false;
    } else {
      // `::` and `(...)` belong to the names of another language's variables: not read here.
      name += taken_while(continues_name);
      if (name.size() == 1 || peek() == '(' || (peek() == ':' && peek(1) == ':')) return false;
      number = named_.try_emplace(name, last_parameter_ + 1).first->second;
    }
    last_parameter_ = std::max(last_parameter_, number);
    add(Token::Kind::parameter, std::move(name));
    tokens_.back().parameter = number - 1;
    return true;
  }

  bool take_symbol() {
    constexpr std::array kLong{std::string_view("->>"), std::string_view("->"),
                               std::string_view("||"),  std::string_view("<<"),
                               std::string_view(">>"),  std::string_view("<="),
                               std::string_view(">="),  std::string_view("<>"),
                               std::string_view("!="),  std::string_view("==")};
    constexpr std::string_view kShort = "()+-*/%=<>&|~,.;";
    const std::string_view rest = sql_.substr(at_);
    for (const std::string_view symbol : kLong) {
      if (!rest.starts_with(symbol)) continue;
      add(Token::Kind::symbol, std::string(symbol));
      at_ += symbol.size();
      return true;
    }
    const char c = rest.front();
    if (kShort.find(c) == std::string_view::npos) return false;
    if (c == ')') {
      if (depth_ == 0) return false;
      --depth_;
    }
    add(Token::Kind::symbol, std::string(1, c));
    if (c == '(') ++depth_;
    ++at_;
    return true;
  }

  std::string_view sql_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::size_t last_parameter_ = 0;
  std::map<std::string, std::size_t> named_;
  std::vector<Token> tokens_;
};

std::string quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote) out += quote;
    out += c;
  }
  out += quote;
  return out;
}

}  // namespace

bool Token::is_symbol(std::string_view symbol) const noexcept {
  return kind == Kind::symbol && text == symbol;
}

bool Token::is_word(std::string_view word) const noexcept {
  return kind == Kind::word && ascii::equal(text, word);
}

bool Token::may_name() const noexcept {
  return kind == Kind::word || kind == Kind::name || kind == Kind::string;
}

std::optional<std::vector<Token>> tokens_of(std::string_view sql) {
  return TokenReader(sql).read();
}

std::string quoted_name(std::string_view name) { return quoted(name, '"'); }

std::string quoted_text(std::string_view text) { return quoted(text, '\''); }

}  // namespace querymark::sqlite

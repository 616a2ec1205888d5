#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace querymark::postgres {

/// What a backslash in plain quotes is to a session (`standard_conforming_strings`): with escapes,
/// a quote behind it does not end the text.
enum class Backslash : std::uint8_t { plain, escapes };

/// What `native`, a libpqxx connection, says of its session. No round trip: the server reports
/// changes of that setting unasked.
template <class Native>
[[nodiscard]] Backslash backslash_of(Native& native) {
  return native.esc(std::string("\\")).size() == 1 ? Backslash::plain : Backslash::escapes;
}

struct SqlToken {
  enum class Kind : std::uint8_t {
    word,       ///< A key word or an identifier without quotes.
    name,       ///< An identifier in double quotes.
    text,       ///< Any kind of string constant.
    parameter,  ///< `$1`
    number,
    symbol,  ///< One character of an operator or of punctuation.
  };
  Kind kind = Kind::symbol;
  std::size_t begin = 0;
  std::size_t end = 0;
  char character = 0;  ///< Of a symbol.
  /// What a word or name means to the server: in lower case, or without its quotes and escapes.
  std::string name;

  /// True for the key word `lower`; for the same in quotes it is false.
  [[nodiscard]] bool is(std::string_view lower) const noexcept {
    return kind == Kind::word && name == lower;
  }
  /// The same for any of them.
  [[nodiscard]] bool is_one_of(std::initializer_list<std::string_view> words) const noexcept {
    return kind == Kind::word && std::ranges::find(words, name) != words.end();
  }
  [[nodiscard]] bool is(char symbol) const noexcept {
    return kind == Kind::symbol && character == symbol;
  }
  [[nodiscard]] bool is_identifier() const noexcept {
    return kind == Kind::word || kind == Kind::name;
  }
};

/// The tokens of SQL by PostgreSQL's lexical rules, in UTF-8: white space and comments are gone,
/// and what stands in quotes is one token. What is left open ends with the text. Linear.
class SqlTokens {
 public:
  /// `sql` must outlive the object.
  SqlTokens(std::string_view sql, Backslash backslash) noexcept
      : sql_(sql), backslash_(backslash) {}

  /// The next token; nothing at the end.
  [[nodiscard]] std::optional<SqlToken> next();

 private:
  [[nodiscard]] std::string_view rest() const noexcept { return sql_.substr(at_); }
  [[nodiscard]] char peek(std::size_t ahead = 0) const noexcept {
    return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0';
  }
  void skip_line_comment() noexcept;
  void skip_block_comment() noexcept;
  void skip_blank() noexcept;
  [[nodiscard]] bool goes_on() noexcept;
  void read_text(bool escapes) noexcept;
  [[nodiscard]] bool read_dollar_quoted() noexcept;
  [[nodiscard]] std::string read_name() noexcept;
  void read_number() noexcept;
  [[nodiscard]] char read_uescape() noexcept;
  void read(SqlToken& token);

  std::string_view sql_;
  Backslash backslash_;
  std::size_t at_ = 0;
};

}  // namespace querymark::postgres

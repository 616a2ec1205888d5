#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace querymark::sqlite {

/// One token of SQL as SQLite reads it.
struct Token {
  enum class Kind : std::uint8_t {
    word,    ///< A keyword or a plain name.
    name,    ///< In double quotes, brackets or backticks: a name, or a string where no name fits.
    string,  ///< In single quotes: a string, or a name where no string fits.
    number,  ///< Unsigned.
    parameter,
    symbol,  ///< Everything else: operators, blobs.
  } kind = Kind::symbol;
  std::string text{};         ///< Without the quotes of names and strings.
  std::size_t depth = 0;      ///< How many parentheses it stands in; those themselves outside.
  std::size_t parameter = 0;  ///< Counted from zero.

  [[nodiscard]] bool is_symbol(std::string_view symbol) const noexcept;
  /// A keyword, unless it stands where only a name fits.
  [[nodiscard]] bool is_word(std::string_view word) const noexcept;
  /// May be read as a name.
  [[nodiscard]] bool may_name() const noexcept;
};

/// The tokens of `sql` without blanks and comments, its parameters numbered as SQLite does. Nothing for
/// what is no SQL.
[[nodiscard]] std::optional<std::vector<Token>> tokens_of(std::string_view sql);

/// As an identifier, in double quotes. Never an expression, whatever is in it.
[[nodiscard]] std::string quoted_name(std::string_view name);
/// As a string literal. `text` holds no NUL.
[[nodiscard]] std::string quoted_text(std::string_view text);

}  // namespace querymark::sqlite

#pragma once

#include <string>
#include <string_view>

namespace querymark::cli {

/// `text` with what a terminal would act on, or a reader not see, written as escapes: control
/// characters (\n, \x1b, U+009B as \u009b), marks that turn the direction of writing, bytes that
/// are no UTF-8. Names and errors in a log are anybody's.
[[nodiscard]] std::string printable(std::string_view text);
/// The same, but lines stay lines: for messages of several lines.
[[nodiscard]] std::string printable_lines(std::string_view text);

/// How many columns a terminal takes for it, as far as one code point is one column.
[[nodiscard]] std::size_t width_of(std::string_view printable) noexcept;

}  // namespace querymark::cli

#pragma once  // For writers of ports.

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "querymark/support/bytes.hpp"

namespace querymark {

/// Which letters a text keeps: all that are UTF-8, or those that every encoding has.
enum class Letters : bool { all, ascii };

/// The beginning of `text`, at most `longest` bytes, with the number of each byte that belongs to no such letter, as `\xe9`.
[[nodiscard]] inline std::string spelt(std::string_view text, Letters letters,
                                       std::size_t longest = std::string::npos) {
  std::string out;
  while (!text.empty()) {
    const bool ascii = static_cast<unsigned char>(text.front()) < 0x80;
    const std::size_t letter = letters == Letters::all ? utf8_sequence(text) : std::size_t{ascii};
    const std::string_view taken = text.substr(0, std::max<std::size_t>(letter, 1));
    const std::string next = letter > 0 ? std::string(taken) : "\\x" + to_hex(taken);
    if (next.size() > longest - out.size()) break;
    out += next;
    text.remove_prefix(taken.size());
  }
  return out;
}

}  // namespace querymark

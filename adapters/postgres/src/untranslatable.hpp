#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "querymark/support/bytes.hpp"
#include "querymark/support/error.hpp"

namespace querymark::postgres {

/// Whether a text could not be given out in UTF-8, or not be taken into the database's encoding.
[[nodiscard]] inline bool is_untranslatable(const Error& failure) {
  return failure.native_code() == "22021" || failure.native_code() == "22P05";
}

/// The beginning of `text`, at most `longest` bytes, with the number of each byte that is not ASCII, as `\xe9`: every
/// encoding has that.
[[nodiscard]] inline std::string in_ascii(std::string_view text, std::size_t longest) {
  std::string out;
  for (const char& c : text) {
    const bool ascii = static_cast<unsigned char>(c) < 0x80;
    const std::string next = ascii ? std::string(1, c) : "\\x" + to_hex({&c, 1});
    if (out.size() + next.size() > longest) break;
    out += next;
  }
  return out;
}

enum class Letters : bool { all, ascii };

/// What `store` gives that writes texts for people, such as why something failed: with all letters, or, where the
/// database has not all of them, or they are none, in ASCII. What was wrong must not fail for its text.
inline bool storing_for_people(const std::function<bool(Letters)>& store) {
  try {
    return store(Letters::all);
  } catch (const Error& failure) {
    if (!is_untranslatable(failure)) throw;
  }
  return store(Letters::ascii);
}

}  // namespace querymark::postgres

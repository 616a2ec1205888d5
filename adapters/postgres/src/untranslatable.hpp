#pragma once

#include <functional>

#include "querymark/support/error.hpp"
#include "querymark/support/spelt.hpp"

namespace querymark::postgres {

/// Whether a text could not be given out in UTF-8, or not be taken into the database's encoding.
[[nodiscard]] inline bool is_untranslatable(const Error& failure) {
  return failure.native_code() == "22021" || failure.native_code() == "22P05";
}

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

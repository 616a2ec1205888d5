// SQL as a caller wrote it: looked at without ever reading past its end, and refused only by a
// ConfigError.

#include "statement_text.hpp"

#include <vector>

#include "fuzz/fuzz.hpp"
#include "querymark/support/error.hpp"

using namespace querymark;

namespace {

template <class Look>
void refusing(Look&& look) {
  try {
    look();
  } catch (const ConfigError&) {  // the one way to say no
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // How the session reads a backslash changes where texts end.
  const auto backslash =
      (data[0] & 1U) == 0 ? postgres::Backslash::plain : postgres::Backslash::escapes;
  const std::string_view sql = fuzz::view_of(data + 1, size - 1);
  const std::vector<ParameterView> values(9);
  refusing([&] { static_cast<void>(postgres::require_reading(sql, backslash)); });
  refusing([&] { postgres::require_inside_transaction(sql, backslash); });
  std::string text;
  refusing([&] {
    text = postgres::with_literals(
        sql, values, [](ParameterView) { return std::string("NULL"); }, backslash);
  });
  fuzz::require(text.size() <= sql.size() * 5 + 5, "a parameter becomes one literal");
  fuzz::require(postgres::with_literals(text, {}, {}, backslash) == text, "and none is left");
  return 0;
}

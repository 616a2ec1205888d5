// A value from a shared tier, where anybody may have written: a miss, or exactly what was stored.

#include "fuzz/fuzz.hpp"
#include "fuzz/sealed.hpp"
#include "support/plain_codec.hpp"

using namespace querymark;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const SharedName under{.namespace_name = "shop", .name = sha256({"a query"})};
  std::string input(fuzz::view_of(data, size));
  // The name that it is asked for by stands behind the header: no fuzzer guesses it.
  constexpr std::size_t kHeader = 16;
  const std::string_view name = under.name.view();
  if (input.size() >= kHeader + name.size()) input.replace(kHeader, name.size(), name);
  const auto value = test::decoded(under, fuzz::sealed(input));
  if (!value) return 0;
  const auto again = test::decoded(under, test::encoded(under, *value));
  fuzz::require(again.has_value(), "what was decoded decodes again");
  fuzz::require(again->stamp == value->stamp && again->rows == value->rows &&
                    again->targets == value->targets && again->expires == value->expires,
                "and is the same");
  const SharedName other{.namespace_name = "shop", .name = sha256({"another"})};
  fuzz::require(!test::decoded(other, test::encoded(under, *value)),
                "nobody gets it under another name");
  return 0;
}

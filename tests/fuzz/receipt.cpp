// A receipt comes back from a browser's cookie: whatever the text, it is refused or means one
// thing.

#include "querymark/log/receipt.hpp"

#include "fuzz/fuzz.hpp"

using namespace querymark;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto receipt = Receipt::parse(fuzz::view_of(data, size));
  if (!receipt) return 0;
  const auto again = Receipt::parse(receipt->str());
  fuzz::require(again.has_value(), "what str() writes is read back");
  fuzz::require(*again == *receipt, "and means the same");
  return 0;
}

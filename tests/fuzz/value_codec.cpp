// A value of a tier that compresses or seals: a miss, or what somebody with the key has stored, and
// never larger than the tier takes. The first byte says what the rest is.

#include "querymark/tier/value_codec.hpp"

#include "fuzz/fuzz.hpp"
#include "fuzz/sealed.hpp"
#include "querymark/zstd/zstd_compression.hpp"

using namespace querymark;

namespace {

constexpr std::size_t kLimit = 64U << 10U;
constexpr std::size_t kName = 16;     // behind the front and the checksum
constexpr std::size_t kHeader = 112;  // up to the body, in the namespace "shop"
const SharedName kUnder{.namespace_name = "shop", .name = sha256({"a query"})};

// The name that it is asked for by: no fuzzer guesses it.
std::string named(std::string_view input) {
  std::string bytes(input);
  const std::string_view name = kUnder.name.view();
  if (bytes.size() >= kName + name.size()) bytes.replace(kName, name.size(), name);
  return bytes;
}

void try_to_decode(const ValueCodec& codec, const std::string& bytes) {
  const auto value = codec.decode(kUnder, bytes, kLimit);
  if (!value) return;
  fuzz::require(value->rows.encoded().size() <= kLimit, "it is no larger than the tier takes");
  const auto encoded = codec.encode(kUnder, *value);
  const auto again = codec.decode(kUnder, encoded.value());
  fuzz::require(again.has_value(), "what was decoded decodes again");
  fuzz::require(again->stamp == value->stamp && again->rows == value->rows &&
                    again->targets == value->targets && again->expires == value->expires,
                "and is the same");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto keys = SealingKeys::parsed("k " + std::string(64, '1'));
  static const ValueCodec packing({.compression = zstd_compression()});
  static const ValueCodec sealing({.compression = zstd_compression(), .keys = keys});
  if (size == 0) return 0;
  const std::string input = named(fuzz::view_of(data, size).substr(1));
  switch (data[0] % 3) {
    case 0:  // a stored value
      try_to_decode(packing, fuzz::sealed(input));
      break;
    case 1: {  // a header and a body, sealed by somebody who has the key
      if (input.size() < kHeader) break;
      std::string header = input.substr(0, kHeader);
      header[7] = 1;
      detail::put_block(header, keys->sealing());
      const std::string authenticated = header.substr(0, 8) + header.substr(16);
      keys->seal(header, kUnder.name, authenticated, input.substr(kHeader));
      try_to_decode(sealing, fuzz::sealed(header));
      break;
    }
    default:  // by somebody who has not
      fuzz::require(!sealing.decode(kUnder, fuzz::sealed(input), kLimit),
                    "nobody without the key seals anything");
  }
  return 0;
}

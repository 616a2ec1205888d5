#include "querymark/tier/shared_tier.hpp"

#include <catch2/catch.hpp>

namespace {

using namespace querymark;

SharedValue sample() {
  ResultSetBuilder builder;
  builder.add_column("name", "TEXT");
  builder.add(as_parameter("tea"));
  return {.stamp = {{1, 2}, {300}, {4}},
          .stored = WallTime(std::chrono::milliseconds(1'700'000'000'000)),
          .expires = WallTime(std::chrono::milliseconds(1'700'000'300'000)),
          .targets = {collection("product"), entity("product", 7), key_named("prices")},
          .rows = std::move(builder).build()};
}

// The encoding with another body under a right checksum.
std::string resealed(std::string encoded) {
  std::string sum;
  detail::put_integer(sum, checksum(ByteView(encoded).substr(16)));
  return encoded.replace(8, 8, sum);
}

}  // namespace

TEST_CASE("shared value: decoding an encoding gives the same value", "[shared_tier]") {
  const SharedValue value = sample();
  const auto decoded = decode_shared_value(encode_shared_value(value));
  REQUIRE(decoded);
  CHECK(decoded->stamp == value.stamp);
  CHECK(decoded->stored == value.stored);
  CHECK(decoded->expires == value.expires);
  CHECK(decoded->targets == value.targets);
  CHECK(decoded->rows == value.rows);
  CHECK(encode_shared_value(*decoded) == encode_shared_value(value));
}

TEST_CASE("shared value: any single damaged byte is noticed", "[shared_tier]") {
  const std::string encoded = encode_shared_value(sample());
  for (std::size_t at = 0; at < encoded.size(); ++at) {
    std::string damaged = encoded;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    if (decode_shared_value(damaged)) FAIL("byte " << at << " is not guarded");
  }
  for (std::size_t size = 0; size < encoded.size(); ++size)
    if (decode_shared_value(ByteView(encoded).substr(0, size))) FAIL("cut to " << size << " bytes");
  CHECK_FALSE(decode_shared_value(encoded + '\0'));
  CHECK(decode_shared_value(encoded));
}

TEST_CASE("shared value: a body that lies is rejected in spite of its checksum", "[shared_tier]") {
  const std::string encoded = encode_shared_value(sample());
  REQUIRE(decode_shared_value(resealed(encoded)));
  std::string many = encoded;  // target count
  many.replace(16 + 48, 4, "\xFF\xFF\xFF\xFF");
  CHECK_FALSE(decode_shared_value(resealed(many)));
  std::string ages_ago = encoded;  // the time it was stored: negative
  ages_ago.replace(16 + 32, 8, std::string(8, '\xFF'));
  CHECK_FALSE(decode_shared_value(resealed(ages_ago)));
  std::string kind = encoded;
  kind.replace(kind.find("collection"), 10, "collectiom");
  CHECK_FALSE(decode_shared_value(resealed(kind)));
}

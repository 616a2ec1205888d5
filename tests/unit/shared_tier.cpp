#include <catch2/catch.hpp>

#include "support/plain_codec.hpp"

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

const SharedName kUnder{"shop", sha256({"test", "tea"})};

std::string encoded_sample() { return test::encoded(kUnder, sample()); }

// Where the stamp begins: behind header, name and namespace. Times and length follow, then the body.
constexpr std::size_t kStamp = 16 + 32 + 4 + 4;

// The encoding with another body under a right checksum.
std::string resealed(std::string encoded) {
  std::string sum;
  detail::put_integer(sum, checksum(ByteView(encoded).substr(16)));
  return encoded.replace(8, 8, sum);
}

}  // namespace

TEST_CASE("shared value: decoding an encoding gives the same value", "[shared_tier]") {
  const SharedValue value = sample();
  const auto decoded = test::decoded(kUnder, test::encoded(kUnder, value));
  REQUIRE(decoded);
  CHECK(decoded->stamp == value.stamp);
  CHECK(decoded->stored == value.stored);
  CHECK(decoded->expires == value.expires);
  CHECK(decoded->targets == value.targets);
  CHECK(decoded->rows == value.rows);
  CHECK(test::encoded(kUnder, *decoded) == test::encoded(kUnder, value));
}

TEST_CASE("shared value: any single damaged byte is noticed", "[shared_tier]") {
  const std::string encoded = encoded_sample();
  for (std::size_t at = 0; at < encoded.size(); ++at) {
    std::string damaged = encoded;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    if (test::decoded(kUnder, damaged)) FAIL("byte " << at << " is not guarded");
  }
  for (std::size_t size = 0; size < encoded.size(); ++size)
    if (test::decoded(kUnder, ByteView(encoded).substr(0, size)))
      FAIL("cut to " << size << " bytes");
  CHECK_FALSE(test::decoded(kUnder, encoded + '\0'));
  CHECK(test::decoded(kUnder, encoded));
}

TEST_CASE("shared value: a body that lies is rejected in spite of its checksum", "[shared_tier]") {
  const std::string encoded = encoded_sample();
  REQUIRE(test::decoded(kUnder, resealed(encoded)));
  std::string many = encoded;  // target count
  many.replace(kStamp + 56, 4, "\xFF\xFF\xFF\xFF");
  CHECK_FALSE(test::decoded(kUnder, resealed(many)));
  std::string ages_ago = encoded;  // the time it was stored: negative
  ages_ago.replace(kStamp + 32, 8, std::string(8, '\xFF'));
  CHECK_FALSE(test::decoded(kUnder, resealed(ages_ago)));
  std::string kind = encoded;
  kind.replace(kind.find("collection"), 10, "collectiom");
  CHECK_FALSE(test::decoded(kUnder, resealed(kind)));
}

TEST_CASE("shared value: what was stored under another name or namespace is not read",
          "[shared_tier]") {
  const std::string encoded = encoded_sample();
  CHECK(test::decoded(kUnder, encoded));
  CHECK_FALSE(test::decoded({"shop", sha256({"test", "cup"})}, encoded));
  CHECK_FALSE(test::decoded({"other", kUnder.name}, encoded));
}

TEST_CASE("shared value: more targets than an entry can carry are refused before they are read",
          "[shared_tier]") {
  SharedValue value = sample();
  value.targets.clear();
  for (std::size_t i = 0; i < kMaxTargets; ++i) value.targets.push_back(entity("p", i));
  CHECK(test::decoded(kUnder, test::encoded(kUnder, value)));
  value.targets.push_back(entity("p", kMaxTargets));
  std::string encoded = test::encoded(kUnder, value);
  CHECK_FALSE(test::decoded(kUnder, encoded));
}

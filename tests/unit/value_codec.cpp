#include "querymark/tier/value_codec.hpp"

#include <zstd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <new>
#include <vector>

#include "querymark/zstd/zstd_compression.hpp"
#include "support/tier_values.hpp"

// This program notes the largest allocation.

namespace {

std::atomic<std::size_t> largest{0};

void* noted(std::size_t size, const std::nothrow_t& /*unused*/) noexcept {
  if (size > largest.load(std::memory_order_relaxed)) largest.store(size);
  return std::malloc(size == 0 ? 1 : size);
}
void* noted(std::size_t size) {
  if (void* memory = noted(size, std::nothrow)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return noted(size); }
void* operator new[](std::size_t size) { return noted(size); }
void* operator new(std::size_t size, const std::nothrow_t& tag) noexcept {
  return noted(size, tag);
}
void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept {
  return noted(size, tag);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using namespace querymark;
using test::text_in;

const Epoch kEpoch{1, 1};
const SharedName kUnder{"shop", sha256({"test", "tea"})};
const std::string kLong(50'000, 'x');

std::shared_ptr<const SealingKeys> keys(const std::string& text) {
  return SealingKeys::parsed(text);
}
const std::string kOne = "one " + std::string(64, '1');
const std::string kTwo = "two " + std::string(64, '2');

ValueCodec packing() { return ValueCodec({.compression = zstd_compression()}); }
ValueCodec sealing() { return ValueCodec({.keys = keys(kOne)}); }
ValueCodec both() { return ValueCodec({.compression = zstd_compression(), .keys = keys(kOne)}); }

SharedValue value(std::string_view text, std::uint64_t horizon = 5) {
  return test::value_of(text, kEpoch, horizon, entity("customer", "alice"));
}

std::string coded(const ValueCodec& codec, const SharedValue& of) {
  return codec.encode(kUnder, of).value();
}
std::string read(const ValueCodec& codec, const std::string& bytes,
                 std::size_t limit = ValueCodec::kNoLimit) {
  return text_in(codec.decode(kUnder, bytes, limit));
}

void put_number(std::string& bytes, std::size_t at, std::uint64_t number) {
  std::string raw;
  detail::put_integer(raw, number);
  bytes.replace(at, raw.size(), raw);
}
// A right checksum again: what an attacker can write as well.
std::string resummed(std::string bytes) {
  put_number(bytes, 8, checksum(ByteView(bytes).substr(16)));
  return bytes;
}

// Behind front, checksum, name and namespace: epoch, horizon, witness, stored, expires, length.
constexpr std::size_t kHorizon = 16 + 32 + 4 + 4 + 16;
constexpr std::size_t kExpires = kHorizon + 24;
constexpr std::size_t kLength = kExpires + 8;
constexpr std::size_t kBody = kLength + 8;

// A value whose compressed body is `packed`, and which says that it has `length` bytes.
std::string forged(std::string packed, std::uint64_t length) {
  std::string bytes = coded(packing(), value(kLong)).substr(0, kBody) + packed;
  put_number(bytes, kLength, length);
  return resummed(bytes);
}
std::string packed(const std::string& text) { return zstd_compression()->pack(text); }

}  // namespace

TEST_CASE("value codec: what is encoded is decoded, compressed and sealed or not", "[codec]") {
  for (const auto& text : {std::string("tea"), kLong})
    for (auto* make : {&packing, &sealing, &both}) {
      const ValueCodec codec = make();
      const SharedValue put = value(text);
      const auto found = codec.decode(kUnder, coded(codec, put));
      REQUIRE(found);
      CHECK(found->stamp == put.stamp);
      CHECK(found->stored == put.stored);
      CHECK(found->expires == put.expires);
      CHECK(found->targets == put.targets);
      CHECK(found->rows == put.rows);
    }
}

TEST_CASE("value codec: values are compressed from a size on, where that makes them shorter",
          "[codec]") {
  const std::size_t plain = coded(ValueCodec(), value(kLong)).size();
  CHECK(plain > kLong.size());
  CHECK(coded(packing(), value(kLong)).size() < 1'000);
  const SharedValue tea = value("tea");  // one, of one time
  CHECK(coded(packing(), tea) == coded(ValueCodec(), tea));
  CHECK(
      coded(ValueCodec({.compression = zstd_compression(), .compress_from = 100'000}), value(kLong))
          .size() == plain);
  std::string noise;
  for (int i = 0; noise.size() < 5'000; ++i) noise += sha256({"noise", std::to_string(i)}).view();
  const SharedValue noisy = value(noise);
  CHECK(coded(packing(), noisy) == coded(ValueCodec(), noisy));
  CHECK_THROWS_AS(zstd_compression(0), ConfigError);
  CHECK_THROWS_AS(zstd_compression(20), ConfigError);
}

TEST_CASE("value codec: who does not compress does not read what is compressed", "[codec]") {
  CHECK(read(ValueCodec(), coded(packing(), value(kLong))) == "none");
  CHECK(read(packing(), coded(ValueCodec(), value(kLong))) == kLong);
  std::string unknown = coded(packing(), value(kLong));
  unknown[6] = 2;
  CHECK(read(packing(), unknown) == "none");
  unknown = coded(ValueCodec(), value("tea"));
  unknown[7] = 1;
  CHECK(read(ValueCodec(), unknown) == "none");
}

TEST_CASE("value codec: what would be too large is neither written nor read", "[codec]") {
  const SharedValue large = value(kLong);
  for (auto* make : {&packing, &sealing, &both}) {
    const ValueCodec codec = make();
    CHECK_FALSE(codec.encode(kUnder, large, 20'000));  // that it would take less does not count
    CHECK(codec.encode(kUnder, large, 60'000));
    CHECK(read(codec, coded(codec, large), 60'000) == kLong);
    CHECK(read(codec, coded(codec, large), 20'000) == "none");
  }
}

TEST_CASE("value codec: a bomb or a wrong length is a miss, and takes no memory to speak of",
          "[codec]") {
  constexpr std::size_t kLimit = 100'000;
  const std::string bomb = packed(std::string(64U << 20U, 'x'));
  REQUIRE(bomb.size() < kLimit);
  const std::string good = packed(std::string(50'000, 'x'));
  // The frame says how much it holds: a header of 4 bytes and a descriptor, then that number.
  std::string lying = bomb;
  REQUIRE(ZSTD_getFrameContentSize(lying.data(), lying.size()) == 64U << 20U);
  bool patched = false;
  for (std::size_t at = 4; at < 12 && !patched; ++at) {
    std::string tried = bomb;
    tried.replace(at, 4, std::string("\x50\xC3\x00\x00", 4));
    patched = ZSTD_getFrameContentSize(tried.data(), tried.size()) == 50'000;
    if (patched) lying = tried;
  }
  REQUIRE(patched);
  std::string unsized(ZSTD_compressBound(1000), '\0');
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  const std::string text(1000, 'x');
  unsized.resize(ZSTD_compress2(context, unsized.data(), unsized.size(), text.data(), text.size()));
  ZSTD_freeCCtx(context);

  const std::vector<std::string> hostile{forged(bomb, 64U << 20U),
                                         forged(bomb, 50'000),
                                         forged(lying, 50'000),
                                         forged(bomb, ~0ULL),
                                         forged(good, 49'999),
                                         forged(good, 50'001),
                                         forged(good + good, 50'000),
                                         forged(good + good, 100'000),
                                         forged(good + "x", 50'000),
                                         forged(good.substr(0, 9), 50'000),
                                         forged("", 0),
                                         forged("", 50'000),
                                         forged(unsized, 1000),
                                         forged(std::string(5'000, '\xFF'), 50'000)};
  const ValueCodec codec = packing();
  largest = 0;
  for (std::size_t i = 0; i < hostile.size(); ++i) {
    INFO("hostile value " << i);
    CHECK_FALSE(codec.decode(kUnder, hostile[i], kLimit));
  }
  CHECK(largest <= kLimit + 1'000);
}

TEST_CASE("value codec: sealed values show neither rows nor targets", "[codec]") {
  const std::string secret = "4111 1111 1111 1111";
  const std::string plain = coded(ValueCodec(), value(secret));
  CHECK(plain.find(secret) != std::string::npos);
  CHECK(plain.find("alice") != std::string::npos);
  const std::string sealed = coded(sealing(), value(secret));
  CHECK(sealed.find(secret) == std::string::npos);
  CHECK(sealed.find("alice") == std::string::npos);
  CHECK(coded(sealing(), value(secret)) != sealed);
}

TEST_CASE("value codec: any byte of a sealed value that is changed is noticed, checksum or not",
          "[codec]") {
  for (auto* make : {&sealing, &both}) {
    const ValueCodec codec = make();
    const std::string sealed = coded(codec, value(std::string(2'000, 'y')));
    for (std::size_t at = 0; at < sealed.size(); ++at) {
      std::string damaged = sealed;
      damaged[at] = static_cast<char>(damaged[at] ^ 1);
      const bool in_checksum = at >= 8 && at < 16;
      if (codec.decode(kUnder, in_checksum ? damaged : resummed(damaged)))
        FAIL("byte " << at << " is not guarded");
    }
    CHECK(codec.decode(kUnder, sealed));
  }
}

TEST_CASE("value codec: a newer header does not fit an older sealed body (hard case 89)",
          "[codec]") {
  const ValueCodec codec = sealing();
  const std::string old_value = coded(codec, value("old", 5));
  const std::string new_value = coded(codec, value("new", 9));
  // Stamp and times of the new one, the body of the old one, and each field on its own.
  CHECK(read(codec, resummed(new_value.substr(0, kBody) + old_value.substr(kBody))) == "none");
  for (const std::size_t field :
       {kHorizon - 16, kHorizon - 8, kHorizon, kHorizon + 8, kHorizon + 16, kExpires, kLength}) {
    std::string raised = old_value;
    put_number(raised, field, 1'000'000);
    CHECK(read(codec, resummed(raised)) == "none");
    CHECK(read(codec, old_value) == "old");
  }
  // Of a plain value anybody can do that; so it is not read where values are sealed.
  std::string plain = coded(ValueCodec(), value("old", 5));
  put_number(plain, kHorizon, 1'000'000);
  CHECK(read(ValueCodec(), resummed(plain)) == "old");
  CHECK(read(codec, resummed(plain)) == "none");
  CHECK(read(codec, coded(ValueCodec(), value("plain"))) == "none");
  CHECK(read(codec, coded(packing(), value(kLong))) == "none");
  CHECK(read(ValueCodec(), new_value) == "none");
}

TEST_CASE("value codec: a sealed value is read under its own name and namespace alone", "[codec]") {
  const ValueCodec codec = sealing();
  std::string bytes = coded(codec, value("tea"));
  const SharedName other_name{"shop", sha256({"test", "cup"})};
  CHECK_FALSE(codec.decode(other_name, bytes));
  CHECK_FALSE(codec.decode({"shoq", kUnder.name}, bytes));
  std::string moved = bytes;
  moved.replace(16, 32, other_name.name.view());
  CHECK_FALSE(codec.decode(other_name, resummed(moved)));
  bytes.replace(16 + 32 + 4, 4, "shoq");
  CHECK_FALSE(codec.decode({"shoq", kUnder.name}, resummed(bytes)));
}

TEST_CASE("value codec: keys are rotated without a value that nobody can read", "[codec]") {
  ValueCodec a({.keys = keys(kOne)});
  ValueCodec b({.keys = keys(kOne)});
  const std::string first = coded(a, value("first"));
  // Everybody learns the new key, then everybody seals with it, then the old one is forgotten.
  a.replace_keys(keys(kOne + '\n' + kTwo));
  CHECK(read(b, coded(a, value("tea"))) == "tea");
  b.replace_keys(keys(kOne + '\n' + kTwo));
  a.replace_keys(keys(kTwo + '\n' + kOne));
  CHECK(read(b, coded(a, value("tea"))) == "tea");
  CHECK(read(a, coded(b, value("tea"))) == "tea");
  CHECK(read(a, first) == "first");
  b.replace_keys(keys(kTwo));
  a.replace_keys(keys(kTwo));
  CHECK(read(a, coded(b, value("tea"))) == "tea");
  CHECK(read(a, first) == "none");
  CHECK_THROWS_AS(a.replace_keys(nullptr), ConfigError);
  ValueCodec plain;
  CHECK_THROWS_AS(plain.replace_keys(keys(kOne)), ConfigError);
  CHECK_FALSE(plain.seals());
}

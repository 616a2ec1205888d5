#include "querymark/key/key.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <charconv>
#include <set>

#include "querymark/key/key_encoder.hpp"
#include "querymark/memory/entry.hpp"
#include "unit/vectors.hpp"

namespace {

using namespace querymark;
using test::read_vectors;
using test::split;
using test::unhex;

// Owns what a vector's parameters point to.
struct Spelled {
  std::vector<std::string> storage;
  std::string encoded;

  void add(const std::string& spelled) {
    const std::size_t equals = spelled.find('=');
    const std::string kind = spelled.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : spelled.substr(equals + 1);
    ParameterView view;
    if (kind == "boolean") view = ParameterView::boolean(value == "1");
    if (kind == "int64") view = ParameterView::int64(std::stoll(value));
    if (kind == "float64")
      view = ParameterView::float64(std::bit_cast<double>(std::stoull(value, nullptr, 16)));
    if (kind == "text" || kind == "bytes") {
      storage.push_back(unhex(value));
      view = kind == "text" ? ParameterView::text(storage.back())
                            : ParameterView::bytes(storage.back());
    }
    if (kind == "array") {
      storage.push_back(unhex(value.substr(2)));
      view = ParameterView::array(static_cast<ValueType>(value[0] - '0'), storage.back());
    }
    detail::encode_parameter(encoded, view);
  }
};

const Scope kShop{.namespace_name = "shop", .database = "db-1", .session = {}, .caller = {}};

template <class... Args>
std::string encoded(const Args&... args) {
  std::string bytes;
  (detail::encode_parameter(bytes, as_parameter(args)), ...);
  return bytes;
}

}  // namespace

TEST_CASE("key: encodings and names match vectors made from the documented layout", "[key]") {
  const auto vectors = read_vectors("key_vectors.txt");
  REQUIRE(vectors.size() > 20);
  std::set<std::string> names;
  for (const auto& vector : vectors) {
    REQUIRE(vector.size() == 10);
    CAPTURE(vector[5], vector[6]);
    const auto form = static_cast<KeyPrefix::Form>(std::stoi(vector[0]));
    const Scope scope{unhex(vector[1]), unhex(vector[2]), unhex(vector[3]), unhex(vector[4])};
    const KeyPrefix prefix("any type", form, scope, unhex(vector[5]));
    Spelled parameters;
    if (!vector[6].empty())
      for (const std::string& spelled : split(vector[6], ',')) parameters.add(spelled);
    CHECK(to_hex(std::string(prefix.query_bytes()) + parameters.encoded) == vector[7]);
    CHECK(query_name({&prefix, parameters.encoded}).hex() == vector[8]);
    CHECK(prefix.text() == unhex(vector[5]));
    CHECK(prefix.form() == form);
    CHECK(key_target({&prefix, parameters.encoded}).text() == vector[9]);
    CHECK(names.insert(vector[8]).second);
  }
}

TEST_CASE("key: values that look alike in SQL text have different encodings", "[key]") {
  const std::set<std::string> distinct{encoded(nullptr),
                                       encoded(""),
                                       encoded(0),
                                       encoded(0.0),
                                       encoded(-0.0),
                                       encoded(false),
                                       encoded("0"),
                                       encoded(1),
                                       encoded("1"),
                                       encoded(1.0),
                                       encoded(true),
                                       encoded(Bytes{}),
                                       encoded(Bytes{"1"}),
                                       encoded(),
                                       encoded("a", "b"),
                                       encoded("ab"),
                                       encoded("", "ab"),
                                       encoded("ab", ""),
                                       encoded(nullptr, nullptr)};
  CHECK(distinct.size() == 19);
}

TEST_CASE("key: every part of the scope and the text separates keys, wherever the border is",
          "[key]") {
  std::set<std::string> distinct;
  const auto add = [&](const Scope& scope, std::string_view text) {
    const KeyPrefix prefix({}, KeyPrefix::Form::sql, scope, text);
    distinct.insert(query_name({&prefix, {}}).hex());
  };
  add({"ab", "", "", ""}, "");
  add({"a", "b", "", ""}, "");
  add({"", "ab", "", ""}, "");
  add({"", "", "ab", ""}, "");
  add({"", "", "", "ab"}, "");
  add({"", "", "a", "b"}, "");
  add({"", "", "", ""}, "ab");
  add({"", "", "", "a"}, "b");
  CHECK(distinct.size() == 8);
}

TEST_CASE("key: text and parameters can't trade bytes", "[key]") {
  const std::string tail = encoded(7);
  const KeyPrefix longer({}, KeyPrefix::Form::sql, kShop, "select ?" + tail);
  const KeyPrefix shorter({}, KeyPrefix::Form::sql, kShop, "select ?");
  CHECK(query_name({&longer, {}}) != query_name({&shorter, tail}));
  CHECK(std::string(longer.bytes()) != std::string(shorter.bytes()) + tail);
}

TEST_CASE("key: the stored type is part of the key but not of the query's name", "[key]") {
  const KeyPrefix rows("rows", KeyPrefix::Form::sql, kShop, "select 1");
  const KeyPrefix objects("objects", KeyPrefix::Form::sql, kShop, "select 1");
  CHECK(rows.bytes() != objects.bytes());
  CHECK_FALSE(KeyView{&rows, {}} == KeyView{&objects, {}});
  CHECK(rows.query_bytes() == objects.query_bytes());
  CHECK(query_name({&rows, {}}) == query_name({&objects, {}}));
  CHECK(key_target({&rows, {}}) == key_target({&objects, {}}));
}

TEST_CASE("key: a key intent names a query by its hash and a named key by its name", "[key]") {
  const KeyPrefix sql({}, KeyPrefix::Form::sql, kShop, "select 1");
  CHECK(key_target({&sql, {}}).text().starts_with("query:"));
  CHECK(Target::from_log("key", key_target({&sql, {}}).text()) == key_target({&sql, {}}));
  const KeyPrefix named({}, KeyPrefix::Form::named, kShop, "prices:eu");
  CHECK(key_target({&named, {}}) == key_named("prices:eu"));
  const KeyPrefix same_text({}, KeyPrefix::Form::sql, kShop, "prices:eu");
  CHECK_FALSE(key_target({&named, {}}) == key_target({&same_text, {}}));
}

TEST_CASE(
    "key: a key intent reaches the query in every session, and in that scope alone; the log "
    "implies the database",
    "[key]") {
  const auto target = [](const Scope& scope, std::string_view text, std::string_view tail = {}) {
    const KeyPrefix prefix({}, KeyPrefix::Form::sql, scope, text);
    return key_target({&prefix, tail}).text();
  };
  const std::string known = target({"shop", "db", "reader", "7"}, "select 1");
  CHECK(target({"shop", "db", "a writer of a longer name", "7"}, "select 1") == known);
  CHECK(target({"shop", "db", "", "7"}, "select 1") == known);
  CHECK(target({"shop", "as it was called before a restore", "", "7"}, "select 1") == known);
  const KeyPrefix reader({}, KeyPrefix::Form::sql, {"shop", "db", "reader", "7"}, "select 1");
  const KeyPrefix writer({}, KeyPrefix::Form::sql, {"shop", "db", "writer", "7"}, "select 1");
  CHECK(query_name({&reader, {}}) != query_name({&writer, {}}));  // what they read may differ
  std::set<std::string> distinct{known};
  for (const Scope& scope :
       {Scope{"shop", "db", "reader", "8"}, Scope{"shop", "db", "7", ""},
        Scope{"shops", "db", "reader", "7"}, Scope{"shopdb", "", "reader", "7"}})
    distinct.insert(target(scope, "select 1"));
  distinct.insert(target({"shop", "db", "reader", "7"}, "select 2"));
  distinct.insert(target({"shop", "db", "reader", "7"}, "select 1", encoded(7)));
  CHECK(distinct.size() == 7);
}

TEST_CASE("key: equality looks at the parameters", "[key]") {
  const KeyPrefix prefix({}, KeyPrefix::Form::sql, kShop, "select ?");
  const std::string one = encoded(1);
  const std::string copy = one;
  const std::string two = encoded(2);
  CHECK(KeyView{&prefix, one} == KeyView{&prefix, copy});
  CHECK_FALSE(KeyView{&prefix, one} == KeyView{&prefix, two});
}

TEST_CASE("key encoder: short and long parameters, one by one and together", "[key]") {
  const KeyPrefix prefix({}, KeyPrefix::Form::sql, kShop, "select ?");
  for (std::size_t size = 0; size <= 300; ++size) {
    const std::string text(size, 'x');
    for (std::size_t repeated = 1; repeated <= 4; ++repeated) {
      KeyEncoder encoder(prefix);
      KeyEncoder again(prefix);
      std::string expected;
      for (std::size_t i = 0; i < repeated; ++i) {
        encoder.add(as_parameter(text));
        again.add(as_parameter(text));
        expected += encoded(text);
      }
      if (encoder.key().parameters != expected) FAIL("differs at " << size << " x " << repeated);
      if (encoder.hash() != again.hash()) FAIL("two hashes at " << size << " x " << repeated);
    }
  }
}

TEST_CASE("key encoder: each byte of a parameter counts in the hash", "[key]") {
  const KeyPrefix prefix({}, KeyPrefix::Form::sql, kShop, "select ?");
  const auto hash = [&](const auto&... args) {
    KeyEncoder encoder(prefix);
    (encoder.add(as_parameter(args)), ...);
    return encoder.hash();
  };
  std::set<std::uint64_t> hashes;
  std::size_t made = 0;
  for (const std::size_t size : {1U, 2U, 3U, 4U, 7U, 8U, 9U, 15U, 16U, 17U, 32U, 33U, 128U, 129U})
    for (std::size_t at = 0; at < size; ++at) {
      std::string text(size, '\0');
      for (int bit = 0; bit < 8; ++bit, ++made) {
        text[at] = static_cast<char>(1 << bit);
        hashes.insert(hash(text));
      }
    }
  for (std::int64_t i = -1000; i < 1000; ++i, ++made) hashes.insert(hash(i));
  for (std::int64_t i = 0; i < 1000; ++i, ++made) hashes.insert(hash(i, i));
  for (const auto value : {hash(nullptr), hash(true), hash(0.5), hash(Bytes{}), hash("")})
    ++made, hashes.insert(value);
  for (const ValueType element : {ValueType::null, ValueType::int64, ValueType::text})
    for (const char* literal : {"{}", "{1}", "{2}", "{1,2}"})
      ++made, hashes.insert(hash(ParameterView::array(element, literal)));
  CHECK(hashes.size() == made);
  CHECK(hash(0) == hash(std::int64_t{0}));
}

TEST_CASE("key encoder: the low and the high half of hashes spread evenly", "[key]") {
  const KeyPrefix prefix({}, KeyPrefix::Form::sql, kShop, "select ?");
  constexpr std::size_t kBins = 256;
  constexpr std::size_t kKeys = 256 * 400;
  std::array<std::size_t, kBins> low{};
  std::array<std::size_t, kBins> high{};
  for (std::size_t i = 0; i < kKeys; ++i) {
    KeyEncoder encoder(prefix);
    encoder.add(as_parameter(i));
    const std::uint32_t folded = Entry::fold(encoder.hash());
    ++low[folded % kBins];
    ++high[folded >> 24U];
  }
  // A fair die: 400 a bin, standard deviation 20.
  for (const auto& bins : {low, high}) {
    CHECK(*std::min_element(bins.begin(), bins.end()) > 280);
    CHECK(*std::max_element(bins.begin(), bins.end()) < 520);
  }
}

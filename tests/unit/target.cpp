#include "querymark/key/target.hpp"

#include <catch2/catch.hpp>

#include "querymark/support/error.hpp"
#include "unit/vectors.hpp"

namespace {

using namespace querymark;
using test::read_vectors;
using test::split;
using test::unhex;

Target made(const std::string& kind, const std::vector<std::string>& raw) {
  if (kind == "flush") return flush_all();
  if (kind == "name") return key_named(raw.at(0));
  const std::vector<std::string_view> segments(raw.begin(), raw.end());
  if (kind == "entity") return make_tag(TargetKind::entity, segments);
  return make_tag(kind == "tag" ? TargetKind::tag : TargetKind::collection, segments);
}

}  // namespace

TEST_CASE("target: texts and hashes match vectors made from the documented layout", "[target]") {
  const auto vectors = read_vectors("target_vectors.txt");
  REQUIRE(vectors.size() > 10);
  for (const auto& vector : vectors) {
    REQUIRE(vector.size() == 4);
    CAPTURE(vector[0], vector[2]);
    std::vector<std::string> raw;
    for (const std::string& segment : split(vector[1], ',')) raw.push_back(unhex(segment));
    const Target target = made(vector[0], raw);
    CHECK(to_hex(target.text()) == vector[2]);
    CHECK(target.hash().hex() == vector[3]);
    const auto read_back = Target::from_log(to_string(target.kind()), target.text());
    REQUIRE(read_back);
    CHECK(*read_back == target);
    CHECK(read_back->kind() == target.kind());
    CHECK(read_back->hash() == target.hash());
    CHECK(read_back->id() == target.id());
  }
}

TEST_CASE("target: delimiters inside a segment are escaped, so borders can't move", "[target]") {
  CHECK(escape_segment("a%b:c") == "a%25b%3Ac");
  CHECK_FALSE(entity("line", "7", "2") == entity("line", "7:2"));
  CHECK_FALSE(tag("a%3Ab") == tag("a:b"));
  CHECK_FALSE(tag("a", "") == tag("a"));
  CHECK_FALSE(tag("", "a") == tag("a", ""));
}

TEST_CASE("target: numbers and truth values are spelled in decimal and words", "[target]") {
  CHECK(entity("product", 7).text() == "product:7");
  CHECK(entity("product", std::int64_t{-7}).text() == "product:-7");
  CHECK(entity("product", ~std::uint64_t{0}).text() == "product:18446744073709551615");
  CHECK(tag("active", true).text() == "active:true");
  enum class Colour : std::uint8_t { blue = 200 };
  CHECK(entity("paint", Colour::blue).text() == "paint:200");
}

TEST_CASE("target: tags, entities and collections of one text are one target", "[target]") {
  const Target as_entity = entity("product", 7);
  const Target as_tag = tag("product", "7");
  const Target as_collection = collection("product", 7);
  CHECK(as_entity == as_tag);
  CHECK(as_entity == as_collection);
  CHECK(as_entity.id() == as_tag.id());
  CHECK(as_entity.id() == as_collection.id());
  CHECK(as_entity.hash() == as_tag.hash());
  CHECK(as_entity.kind() != as_tag.kind());
}

TEST_CASE("target: a key and a tag of the same text are different targets", "[target]") {
  const Target key = key_named("prices");
  const Target same_text = tag("name", "prices");
  REQUIRE(key.text() == same_text.text());
  CHECK_FALSE(key == same_text);
  CHECK(key.id() != same_text.id());
  CHECK(key.hash() != same_text.hash());
}

TEST_CASE("target: what can't be a name is refused when it is made", "[target]") {
  CHECK_THROWS_AS(tag(""), ConfigError);
  CHECK_THROWS_AS(tag(std::string("a\0b", 3)), ConfigError);
  CHECK_THROWS_AS(tag("\xC3\x28"), ConfigError);
  CHECK_THROWS_AS(tag("\xED\xA0\x80"), ConfigError);  // a surrogate
  CHECK_THROWS_AS(key_named(""), ConfigError);
  CHECK_THROWS_AS(make_tag(TargetKind::entity, {"product"}), ConfigError);
  CHECK_THROWS_AS(make_tag(TargetKind::tag, {}), ConfigError);
}

TEST_CASE("target: the longest text is accepted and one byte more is not", "[target]") {
  CHECK(tag(std::string(Target::kMaxText, 'x')).text().size() == Target::kMaxText);
  CHECK_THROWS_AS(tag(std::string(Target::kMaxText + 1, 'x')), ConfigError);
  CHECK_THROWS_AS(tag(std::string(Target::kMaxText / 3 + 1, ':')), ConfigError);  // escaped: longer
}

TEST_CASE("target: a key as programs of version 0.1 spell it is a flush", "[target]") {
  // It names the query in its writer's session alone, so whom else it was meant for is unknown.
  const auto old = Target::from_log("key", "sha256:" + std::string(64, '0'));
  REQUIRE(old);
  CHECK(old->is_flush());
  CHECK(Target::from_log("tag", "sha256:00")->kind() == TargetKind::tag);
  // In turn they know neither of these beginnings, and take such a row as malformed: a flush too.
  const std::string text = key_of(Digest{}).text();
  CHECK(text == "query:" + std::string(64, '0'));
  CHECK(Target::from_log("key", text) == key_of(Digest{}));
}

TEST_CASE("target: a malformed row of the log is rejected", "[target]") {
  CHECK_FALSE(Target::from_log("row", "product:7"));
  CHECK_FALSE(Target::from_log("", "product:7"));
  CHECK_FALSE(Target::from_log("TAG", "product:7"));
  CHECK_FALSE(Target::from_log("tag", ""));
  CHECK_FALSE(Target::from_log("tag", "a%"));
  CHECK_FALSE(Target::from_log("tag", "a%2"));
  CHECK_FALSE(Target::from_log("tag", "a%3a"));  // one spelling only
  CHECK_FALSE(Target::from_log("tag", "a%41"));
  CHECK_FALSE(Target::from_log("tag", std::string_view("a\0b", 3)));
  CHECK_FALSE(Target::from_log("tag", "\xFF"));
  CHECK_FALSE(Target::from_log("tag", "\xE4\xB8"));  // cut short
  CHECK_FALSE(Target::from_log("tag", std::string(Target::kMaxText + 1, 'x')));
  CHECK_FALSE(Target::from_log("entity", "product"));
  CHECK_FALSE(Target::from_log("key", "product:7"));
  CHECK_FALSE(Target::from_log("key", "name:"));
  CHECK_FALSE(Target::from_log("key", "name:prices:eu"));  // key_named escapes the second colon
  CHECK(Target::from_log("key", "name:prices%3Aeu") == key_named("prices:eu"));
  CHECK_FALSE(Target::from_log("key", "query:"));
  CHECK_FALSE(Target::from_log("key", "query:" + std::string(63, 'a')));
  CHECK_FALSE(Target::from_log("key", "query:" + std::string(64, 'A')));
  CHECK_FALSE(Target::from_log("key", "query:" + std::string(65, 'a')));
  CHECK(Target::from_log("key", "query:" + std::string(64, 'a')));
  CHECK(Target::from_log("tag", "a%25%3A"));
  CHECK(Target::from_log("flush", ""));
}

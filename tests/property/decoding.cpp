#include <catch2/catch.hpp>

#include "property/random.hpp"
#include "querymark/querymark.hpp"
#include "support/plain_codec.hpp"
#include "support/rounds.hpp"

// What comes from a shared tier, a log row or a cookie is nobody's word: whatever the bytes, a
// decoder rejects them or yields something that can be used. Sanitizers see the rest.

namespace {

using namespace querymark;
using test::Choices;
using test::mutate;

ParameterView random_cell(Choices& choices, std::string& storage) {
  switch (choices.below(6)) {
    case 0:
      return {};
    case 1:
      return ParameterView::boolean(choices.one_in(2));
    case 2:
      return ParameterView::int64(static_cast<std::int64_t>(choices.below(1000)) - 500);
    case 3:
      return ParameterView::float64(static_cast<double>(choices.below(1000)) / 8);
    case 4:
      storage = choices.bytes(20);
      return ParameterView::text(storage);
    default:
      storage = choices.bytes(20);
      return ParameterView::bytes(storage);
  }
}

ResultSet random_set(Choices& choices) {
  ResultSetBuilder builder;
  const std::size_t columns = choices.below(5);
  const std::size_t rows = columns == 0 ? 0 : choices.below(6);
  for (std::size_t i = 0; i < columns; ++i) builder.add_column(choices.bytes(8), choices.bytes(8));
  std::string storage;
  for (std::size_t i = 0; i < rows * columns; ++i) builder.add(random_cell(choices, storage));
  return std::move(builder).build();
}

// Reads everything that can be read, in every type; returns the number of cells.
std::size_t read_all(const ResultSet& set) {
  std::size_t cells = 0;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < set.columns(); ++i)
    bytes += set.column_name(i).size() + set.column_type(i).size();
  for (const Row row : set) {
    for (std::size_t i = 0; i < row.size(); ++i, ++cells) {
      const Field field = row[i];
      const auto attempt = [&](auto read) {
        try {
          read();
        } catch (const TypeError&) {
          ++bytes;
        }
      };
      attempt([&] { bytes += static_cast<std::size_t>(field.as<std::int64_t>()) & 1U; });
      attempt([&] { bytes += field.as<double>() > 0 ? 1 : 0; });
      attempt([&] { bytes += field.as<bool>() ? 1 : 0; });
      attempt([&] { bytes += field.as<Bytes>().data.size(); });
      attempt([&] {
        for (const char c : field.as<std::string>()) bytes += static_cast<unsigned char>(c);
      });
      attempt([&] { bytes += field.view().size(); });
      bytes += field.name().size();
    }
  }
  if (bytes == ~std::size_t{0}) FAIL("never; but the compiler must not know");
  return cells;
}

// Puts the checksum right again, so that the damage reaches what lies behind it.
void reseal(std::string& encoded) {
  if (encoded.size() < 16) return;
  std::string sum;
  detail::put_integer(sum, checksum(ByteView(encoded).substr(16)));
  encoded.replace(8, 8, sum);
}

}  // namespace

TEST_CASE("result set: any bytes are rejected or fully readable", "[decoding]") {
  const std::uint64_t first = Choices::first_seed();
  int accepted = 0;
  for (std::uint64_t seed = first; seed < first + test::rounds(20'000); ++seed) {
    INFO("QUERYMARK_SEED=" << seed);
    Choices choices(seed);
    const ResultSet original = random_set(choices);
    const auto round_trip = ResultSet::decode(original.encoded());
    REQUIRE(round_trip);
    REQUIRE(*round_trip == original);
    std::string damaged(original.encoded());
    for (std::size_t i = 0; i <= choices.below(3); ++i) mutate(damaged, choices);
    if (!choices.one_in(4)) reseal(damaged);
    if (const auto decoded = ResultSet::decode(damaged)) {
      ++accepted;
      REQUIRE(read_all(*decoded) == decoded->size() * decoded->columns());
      REQUIRE(decoded->encoded() == damaged);
    }
  }
  CHECK(accepted > test::rounds(1000));  // or the damage would never get behind the checksum
}

TEST_CASE("result set: random bytes behind a right header and checksum are safe", "[decoding]") {
  const std::uint64_t first = Choices::first_seed();
  for (std::uint64_t seed = first; seed < first + test::rounds(20'000); ++seed) {
    INFO("QUERYMARK_SEED=" << seed);
    Choices choices(seed);
    const ResultSet empty;
    std::string bytes(empty.encoded().substr(0, 16));
    detail::put_integer(bytes, static_cast<std::uint32_t>(choices.below(4)));
    detail::put_integer(
        bytes, static_cast<std::uint32_t>(choices.one_in(8) ? 0xFFFFFFFFU : choices.below(4)));
    detail::put_integer(bytes, static_cast<std::uint64_t>(choices.below(200)));
    bytes += choices.bytes(200);
    reseal(bytes);
    if (const auto decoded = ResultSet::decode(bytes)) (void)read_all(*decoded);
    REQUIRE_FALSE(ResultSet::decode(choices.bytes(100)));
  }
}

TEST_CASE("shared value: any bytes are rejected or fully usable", "[decoding]") {
  const std::uint64_t first = Choices::first_seed();
  int accepted = 0;
  for (std::uint64_t seed = first; seed < first + test::rounds(20'000); ++seed) {
    INFO("QUERYMARK_SEED=" << seed);
    Choices choices(seed);
    SharedValue original{.stamp = {{choices.below(9), 1}, {choices.below(1000)}, {3}},
                         .stored = WallTime(std::chrono::milliseconds(choices.below(1'000'000))),
                         .expires = WallTime(std::chrono::milliseconds(choices.below(1'000'000))),
                         .targets = {},
                         .rows = random_set(choices)};
    for (std::size_t i = choices.below(4); i > 0; --i)
      original.targets.push_back(entity("product", choices.below(100)));
    const SharedName under{"shop", sha256({"test"})};
    std::string damaged = test::encoded(under, original);
    for (std::size_t i = 0; i <= choices.below(2); ++i) mutate(damaged, choices);
    if (damaged.size() > 16 && !choices.one_in(4)) {
      // The inner checksum too, at its usual place.
      const std::size_t rows = damaged.find("QMRS", 16);
      if (rows != std::string::npos && !choices.one_in(4)) {
        std::string inner = damaged.substr(rows);
        reseal(inner);
        damaged.replace(rows, std::string::npos, inner);
      }
      reseal(damaged);
    }
    if (const auto decoded = test::decoded(under, damaged)) {
      ++accepted;
      (void)read_all(decoded->rows);
      for (const Target& target : decoded->targets) {
        const auto again = Target::from_log(to_string(target.kind()), target.text());
        REQUIRE(again);
        REQUIRE(*again == target);
      }
      REQUIRE(test::decoded(under, test::encoded(under, *decoded)));
    }
  }
  CHECK(accepted > test::rounds(500));
}

TEST_CASE("target: any log row is rejected or reads back as it was", "[decoding]") {
  const std::uint64_t first = Choices::first_seed();
  for (std::uint64_t seed = first; seed < first + test::rounds(20'000); ++seed) {
    INFO("QUERYMARK_SEED=" << seed);
    Choices choices(seed);
    std::string text = choices.one_in(2) ? choices.bytes(12) : "name:product%3A7:%25x";
    mutate(text, choices);
    for (const char* kind : {"key", "tag", "entity", "collection"}) {
      const auto target = Target::from_log(kind, text);
      if (!target) continue;
      REQUIRE(target->text() == text);
      REQUIRE(is_plain_utf8(text));
      REQUIRE(target->hash() == Target::from_log(kind, target->text())->hash());
    }
  }
}

TEST_CASE("target: any list of segments is a target of its own", "[decoding]") {
  const std::uint64_t first = Choices::first_seed();
  std::map<std::string, std::vector<std::string>> known;
  for (std::uint64_t seed = first; seed < first + test::rounds(20'000); ++seed) {
    INFO("QUERYMARK_SEED=" << seed);
    Choices choices(seed);
    std::vector<std::string> segments(1 + choices.below(3));
    for (std::string& segment : segments)
      for (std::size_t i = choices.below(4); i > 0; --i) segment += "ab:%325A"[choices.below(8)];
    if (segments.size() == 1 && segments[0].empty()) continue;
    const Target target = make_tag(TargetKind::tag, {segments.begin(), segments.end()});
    const auto [at, fresh] = known.emplace(target.text(), segments);
    REQUIRE(at->second == segments);
  }
  CHECK(known.size() > 1000);
}

TEST_CASE("receipt: any text is rejected or is the spelling of its receipt", "[decoding]") {
  const std::uint64_t first = Choices::first_seed();
  int accepted = 0;
  for (std::uint64_t seed = first; seed < first + test::rounds(20'000); ++seed) {
    INFO("QUERYMARK_SEED=" << seed);
    Choices choices(seed);
    const Receipt receipt{choices.bytes(6),
                          {choices.below(99), choices.below(99)},
                          {choices.below(9999)},
                          {choices.below(9999)},
                          static_cast<std::uint32_t>(choices.below(99))};
    std::string text = receipt.str();
    REQUIRE(Receipt::parse(text) == receipt);
    for (std::size_t i = 0; i <= choices.below(2); ++i) mutate(text, choices);
    if (const auto parsed = Receipt::parse(text)) {
      ++accepted;
      REQUIRE(parsed->str() == text);
    }
    (void)Receipt::parse(choices.bytes(100));
    (void)Epoch::parse(choices.bytes(40));
  }
  CHECK(accepted > 0);
}

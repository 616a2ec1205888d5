#include "querymark/mark/snapshot.hpp"

#include <catch2/catch.hpp>

namespace {

using namespace querymark;

}  // namespace

TEST_CASE("snapshot: a fresh one knows nothing", "[snapshot]") {
  const Snapshot nothing;
  CHECK(nothing.covers({0}));
  CHECK_FALSE(nothing.covers({1}));
  CHECK(nothing.horizon() == Position{1});
  CHECK(nothing.limit() == Position{1});
}

TEST_CASE("snapshot: serialized writers are covered up to the last", "[snapshot]") {
  const Snapshot snapshot = Snapshot::upto({7});
  CHECK(snapshot.covers({7}));
  CHECK_FALSE(snapshot.covers({8}));
  CHECK(snapshot.horizon() == Position{8});
  CHECK(snapshot.limit() == Position{8});
}

TEST_CASE("snapshot: what is in progress is not covered, its neighbours are", "[snapshot]") {
  const Snapshot snapshot({739}, {745}, {{743}, {739}, {740}});
  CHECK(snapshot.covers({738}));
  CHECK_FALSE(snapshot.covers({739}));
  CHECK_FALSE(snapshot.covers({740}));
  CHECK(snapshot.covers({741}));
  CHECK(snapshot.covers({742}));
  CHECK_FALSE(snapshot.covers({743}));
  CHECK(snapshot.covers({744}));
  CHECK_FALSE(snapshot.covers({745}));
  CHECK(snapshot.horizon() == Position{739});
  CHECK(snapshot.limit() == Position{745});
}

TEST_CASE("snapshot: in-progress positions outside the bounds are dropped", "[snapshot]") {
  const Snapshot snapshot({10}, {12}, {{3}, {11}, {12}, {99}});
  CHECK(snapshot.in_progress() == std::vector<Position>{{11}});
  CHECK(snapshot.covers({3}));
  CHECK(snapshot == Snapshot({10}, {12}, {{11}}));
}

TEST_CASE("epoch: its hexadecimal form reads back, and nothing else does", "[snapshot]") {
  const Epoch epoch{0x0123456789abcdefULL, 0xfedcba9876543210ULL};
  CHECK(epoch.hex() == "0123456789abcdeffedcba9876543210");
  CHECK(Epoch::parse(epoch.hex()) == epoch);
  CHECK(Epoch::parse("0123456789ABCDEFFEDCBA9876543210") == epoch);
  CHECK_FALSE(Epoch::parse(""));
  CHECK_FALSE(Epoch::parse("0123456789abcdeffedcba987654321"));
  CHECK_FALSE(Epoch::parse("0123456789abcdeffedcba98765432100"));
  CHECK_FALSE(Epoch::parse("0123456789abcdeffedcba987654321g"));
  CHECK(Epoch::random() != Epoch::random());
}

// Every snapshot over the positions 1 to 5: bits are what is in progress or not yet given out.
static std::vector<Snapshot> all_of_five() {
  std::vector<Snapshot> all;
  for (std::uint64_t limit = 1; limit <= 6; ++limit)
    for (unsigned bits = 0; bits < 1U << (limit - 1); ++bits) {
      std::vector<Position> in_progress;
      for (std::uint64_t p = 1; p < limit; ++p)
        if ((bits >> (p - 1) & 1U) != 0) in_progress.push_back({p});
      const Position least = in_progress.empty() ? Position{limit} : in_progress.front();
      all.emplace_back(least, Position{limit}, in_progress);
    }
  return all;
}

TEST_CASE("snapshot: one contains another exactly when it covers all that the other covers",
          "[snapshot]") {
  const std::vector<Snapshot> all = all_of_five();
  for (const Snapshot& a : all)
    for (const Snapshot& b : all) {
      bool contains = true;
      for (std::uint64_t p = 0; p < 8; ++p)
        contains = contains && (!b.covers({p}) || a.covers({p}));
      if (a.contains(b) != contains) FAIL("limits " << a.limit().value << ", " << b.limit().value);
    }
  CHECK(all.size() == 63);
  // What is listed twice counts once.
  CHECK_FALSE(Snapshot({1}, {1}, {}).contains(Snapshot({1}, {3}, {Position{1}, Position{1}})));
}

TEST_CASE("snapshot: a page's end covers what was read up to it, and nothing else", "[snapshot]") {
  const std::vector<Snapshot> all = all_of_five();
  int tried = 0;
  for (const Snapshot& from : all)
    for (const Snapshot& upto : all) {
      if (!upto.contains(from)) continue;
      for (const std::uint64_t last : {0U, 1U, 2U, 3U, 4U, 5U, 6U, ~0U}) {
        const Snapshot cut = from.cut(upto, {last});
        ++tried;
        for (std::uint64_t p = 0; p < 8; ++p) {
          const bool known = from.covers({p}) || (p <= last && upto.covers({p}));
          if (cut.covers({p}) != known)
            FAIL("position " << p << " after a page up to " << last << ", limits "
                             << from.limit().value << ", " << upto.limit().value);
        }
        CHECK(cut.contains(from));
        CHECK(upto.contains(cut));
      }
      CHECK(from.cut(upto, {~0ULL}) == from.cut(upto, upto.limit()));
    }
  CHECK(tried > 1000);
}

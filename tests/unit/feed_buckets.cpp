// What a log has made stale, kept for followers that begin in the middle.

#include <catch2/catch.hpp>
#include <set>

#include "querymark/feed/feed_log.hpp"
#include "querymark/feed/feed_relay.hpp"
#include "querymark/follow/subscriber.hpp"
#include "support/memory_feed.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::MemoryFeed;

const FeedName kShop{"db", "shop"};
const Epoch kEpoch{1, 2};

// A worker's part, by hand: segments of the log, one after the other.
struct Handing {
  MemoryFeed feed;
  std::unique_ptr<FeedWriter> writer = feed.writer(kShop);
  BucketKeeper keeper{kShop};
  Position last{0};

  [[nodiscard]] static Certificate between(Position from, Position upto, Epoch epoch = kEpoch) {
    return {.feed = kShop,
            .from = Snapshot::upto(from),
            .upto = {epoch, Snapshot::upto(upto), {}},
            .intents = {},
            .answers = {}};
  }
  // Each at a position of its own.
  void hand_on(const std::vector<Target>& targets) {
    Certificate certificate = between(last, {last.value + targets.size()});
    for (const Target& target : targets)
      certificate.intents.push_back(
          Certificate::Intent::of({.position = {++last.value}, .target = target}));
    keeper.hand_on(*writer, certificate);
  }
  // For a follower that begins now.
  [[nodiscard]] std::optional<FeedHistory> history() {
    return history_before(between(last, last), feed.reader(kShop)->buckets());
  }
  void change(const std::function<void(MemoryFeed::Kept&)>& how) {
    MemoryFeed::Kept kept = feed.kept(kShop);
    how(kept);
    feed.put_back(kShop, std::move(kept));
  }
};

// Position of the last row for the target; zero: there is none.
std::uint64_t last_of(const FeedHistory& history, const Target& target) {
  std::uint64_t last = 0;
  for (const LogRow& row : history.rows)
    if (row.target == target) last = std::max(last, row.position.value);
  return last;
}

Target product(std::uint64_t id) { return entity("product", id); }

}  // namespace

TEST_CASE("buckets: of each target the last position is kept, whatever its kind (hard case 83)",
          "[feed]") {
  Handing handing;
  handing.hand_on({product(1), key_named("k"), tag("t")});
  handing.hand_on({product(1), collection("product"), flush_all()});
  const auto history = handing.history();
  REQUIRE(history);
  CHECK(history->from == Cursor{kEpoch, Snapshot::upto({0}), {}});
  CHECK(history->rows.size() == 5);
  CHECK(last_of(*history, product(1)) == 4);
  CHECK(last_of(*history, key_named("k")) == 2);
  CHECK(last_of(*history, tag("t")) == 3);
  CHECK(last_of(*history, collection("product")) == 5);
  CHECK(last_of(*history, flush_all()) == 6);
  // An older row that commits later lowers nothing.
  Certificate late = Handing::between({6}, {7});
  late.intents.push_back({product(1), {3}});
  handing.keeper.hand_on(*handing.writer, late);
  handing.last = {7};
  CHECK(last_of(handing.history().value(), product(1)) == 4);
}

TEST_CASE(
    "buckets: a follower takes shared values from before it began, and none that became stale",
    "[feed]") {
  Handing handing;
  handing.hand_on({product(1), product(2)});
  Marks marks(4096);
  const Cursor began{kEpoch, Snapshot::upto(handing.last), {}};
  marks.restart(began);
  const TargetId one = product(1).id();
  const TargetId two = product(2).id();
  const SharedStamp stamp{kEpoch, {2}};  // between the two
  CHECK_FALSE(marks.judge(stamp, {&one, 1}));
  const auto history = handing.history();
  REQUIRE(history);
  std::vector<MarkUpdate> updates;
  for (const LogRow& row : history->rows)
    updates.push_back(MarkUpdate::of(*row.target, row.position));
  marks.learn_history(kEpoch, updates, history->from.snapshot.limit());
  CHECK(marks.judge(stamp, {&one, 1}));
  CHECK_FALSE(marks.judge(stamp, {&two, 1}));
}

TEST_CASE("buckets: after a failover that has lost the last change no hole is left (hard case 73)",
          "[feed]") {
  Handing handing;
  handing.hand_on({product(1)});
  const MemoryFeed::Kept before = handing.feed.kept(kShop);
  handing.hand_on({product(2)});
  handing.feed.put_back(kShop, before);
  handing.hand_on({product(3)});
  const auto history = handing.history();
  REQUIRE(history);
  // What is told begins behind what was lost.
  CHECK(history->from.snapshot == Snapshot::upto({2}));
  CHECK(last_of(*history, product(3)) == 3);
}

TEST_CASE("buckets: one that was evicted begins anew, where it is next added to (hard case 74)",
          "[feed]") {
  Handing handing;
  handing.hand_on({product(1)});
  handing.change([](MemoryFeed::Kept& kept) { kept.buckets = {}; });
  handing.hand_on({product(2)});
  const auto history = handing.history();
  REQUIRE(history);
  CHECK(history->from.snapshot == Snapshot::upto({1}));
  CHECK(history->rows.size() == 1);
  // Marks without a beginning, as a blind change leaves them, are none.
  handing.change([](MemoryFeed::Kept& kept) { kept.buckets[0].head.clear(); });
  CHECK_FALSE(handing.history());
}

TEST_CASE("buckets: one that is full is followed by the next, and the oldest is begun anew",
          "[feed]") {
  Handing handing;
  constexpr std::uint64_t kAtOnce = 5000;
  std::uint64_t id = 0;
  const auto hand_on_new = [&] {
    std::vector<Target> targets;
    for (std::uint64_t i = 0; i < kAtOnce; ++i) targets.push_back(product(id++));
    handing.hand_on(targets);
  };
  for (int i = 0; i < 3; ++i) hand_on_new();
  auto history = handing.history();
  REQUIRE(history);
  CHECK(history->from.snapshot == Snapshot::upto({0}));
  CHECK(history->rows.size() == id);
  // Another worker goes on where the first has stopped.
  handing.keeper = BucketKeeper(kShop);
  hand_on_new();
  CHECK(handing.history().value().rows.size() == id);
  while (id < 2 * kBuckets * kBucketMarks) hand_on_new();
  history = handing.history();
  REQUIRE(history);
  CHECK(history->from.snapshot.limit().value > kBucketMarks);
  CHECK(history->rows.size() == id - (history->from.snapshot.limit().value - 1));
  CHECK(history->rows.size() >= (kBuckets - 1) * kBucketMarks);
}

TEST_CASE("buckets: two workers spoil nothing, whoever is late", "[feed]") {
  Handing handing;
  handing.hand_on({product(1)});
  BucketKeeper other(kShop);
  Certificate mine = Handing::between({1}, {3});
  mine.intents = {{product(2), {2}}, {product(3), {3}}};
  other.hand_on(*handing.writer, mine);
  handing.hand_on({product(2)});  // known already
  handing.last = {3};
  const auto history = handing.history();
  REQUIRE(history);
  CHECK(history->from.snapshot == Snapshot::upto({0}));
  CHECK(last_of(*history, product(3)) == 3);
  handing.hand_on({product(4)});
  CHECK(last_of(handing.history().value(), product(4)) == 4);
  CHECK(last_of(handing.history().value(), product(3)) == 3);
}

TEST_CASE("buckets: what is not told, of another epoch, another log or tampered with is not used",
          "[feed]") {
  Handing handing;
  handing.hand_on({product(1)});
  Certificate untold = Handing::between({1}, {5});
  untold.untold = true;
  handing.keeper.hand_on(*handing.writer, untold);
  handing.last = {5};
  CHECK_FALSE(handing.history());
  handing.hand_on({product(2)});
  CHECK(handing.history().value().from.snapshot == Snapshot::upto({5}));

  const auto buckets = handing.feed.reader(kShop)->buckets();
  const Certificate began = Handing::between(handing.last, handing.last);
  CHECK(history_before(began, buckets));
  Certificate elsewhere = began;
  elsewhere.upto.epoch = {3, 4};
  CHECK_FALSE(history_before(elsewhere, buckets));
  elsewhere = began;
  elsewhere.feed.database_id = "copy";
  CHECK_FALSE(history_before(elsewhere, buckets));
  for (const StoredBucket::Mark& bad : {StoredBucket::Mark{"", "00000000000000000001"},
                                        {"x", "00000000000000000001"},
                                        {"\x02product:7", "1"},
                                        {"\x02product:7", "0000000000000000000x"}}) {
    auto tampered = buckets;
    for (StoredBucket& bucket : tampered) bucket.marks.push_back(bad);
    CHECK_FALSE(history_before(began, tampered));
  }
}

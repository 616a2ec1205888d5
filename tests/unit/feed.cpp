#include <catch2/catch.hpp>

#include "feed_wire.hpp"
#include "property/random.hpp"
#include "querymark/deliver/worker.hpp"
#include "querymark/feed/feed_log.hpp"
#include "querymark/feed/feed_relay.hpp"
#include "querymark/follow/subscriber.hpp"
#include "querymark/log/memory_outbox.hpp"
#include "support/memory_feed.hpp"
#include "unit/log_fixture.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::MemoryFeed;

const FeedName kShop{"db", "shop"};
const Epoch kEpoch{1, 2};

LogRow row(std::uint64_t position, std::optional<Target> target) {
  return {position, {position}, {}, std::move(target)};
}

Certificate certificate(const Snapshot& from, const Snapshot& upto, const std::vector<LogRow>& rows,
                        std::vector<Nonce> answers = {}) {
  Certificate made =
      Certificate::of(kShop, from, {kEpoch, upto, {}}, std::span<const LogRow>(rows));
  made.answers = std::move(answers);
  return made;
}

FeedPage page_of(const std::vector<Certificate>& certificates) {
  FeedPage page;
  for (const Certificate& each : certificates) page.entries.push_back(encode_certificate(each));
  page.last = "7";
  return page;
}

// A follower that stands where `at` says.
struct Standing {
  FeedFollower follower{kShop};
  std::optional<Cursor> at;
  explicit Standing(const Snapshot& snapshot) : at(Cursor{kEpoch, snapshot, {}}) {}
  FeedTaken take(const std::vector<Certificate>& certificates) {
    FeedTaken taken = follower.take(at, page_of(certificates));
    at = taken.upto;
    return taken;
  }
};

}  // namespace

TEST_CASE("feed: certificates and questions read back as they were written", "[feed]") {
  Certificate written =
      certificate({{3}, {9}, {{3}, {5}}}, {{9}, {12}, {{9}}},
                  {row(3, entity("a", 1)), row(5, std::nullopt), row(5, flush_all()),
                   row(10, collection("a")), row(10, tag("b")), row(11, key_named("k"))},
                  {{7}, {8}});
  written.upto.last_write = {42};
  CHECK(decode_certificate(encode_certificate(written)) == written);
  CHECK(written.intents.size() == 6);
  CHECK_FALSE(written.intents[1].target);
  const Certificate untold = Certificate::of(kShop, {}, written.upto, std::nullopt);
  CHECK(untold.untold);
  CHECK(decode_certificate(encode_certificate(untold)) == untold);

  for (const std::optional<Cursor>& cursor :
       {std::optional<Cursor>(), std::optional(written.upto)}) {
    const FeedAsk ask{.follower = {5}, .nonce = {6}, .lease = 10s, .cursor = cursor};
    CHECK(decode_ask(encode_ask(ask)) == ask);
  }
}

TEST_CASE("feed: an intent is one thing, as a row, in a certificate and as a bucket's mark",
          "[feed]") {
  using Intent = Certificate::Intent;
  for (const Target& target :
       {key_named("k"), tag("t"), entity("product", 1), collection("product"), flush_all()}) {
    const Intent intent = Intent::of(row(7, target));
    CHECK(intent.target.has_value() != target.is_flush());
    CHECK(intent.row().target == target);
    CHECK(intent.row().position == Position{7});
    CHECK(detail::intent_of(detail::kind_of(intent), detail::text_of(intent), {7}) == intent);
    CHECK(detail::intent_in(detail::mark_of(intent)) == intent);
  }
  const Intent unreadable = Intent::of(row(7, std::nullopt));
  CHECK(unreadable == Intent::of(row(7, flush_all())));
  // A flush has one spelling.
  CHECK_FALSE(detail::intent_of(static_cast<std::uint8_t>(TargetKind::flush), "", {7}));
  CHECK_FALSE(detail::intent_of(detail::kind_of(unreadable), "x", {7}));
  // Nor is a log's old spelling of a key, which is read there as everything, one in a feed.
  CHECK(Target::from_log("key", "sha256:ab")->is_flush());
  CHECK_FALSE(detail::intent_of(static_cast<std::uint8_t>(TargetKind::key), "sha256:ab", {7}));
}

TEST_CASE("feed: too many intents, or too long ones, are not told", "[feed]") {
  const std::vector<LogRow> many(Certificate::kMaxIntents + 1, row(4, tag("a")));
  CHECK(certificate({}, Snapshot::upto({9}), many).untold);
  const std::vector<LogRow> most(Certificate::kMaxIntents, row(4, tag("a")));
  const Certificate told = certificate({}, Snapshot::upto({9}), most);
  CHECK_FALSE(told.untold);
  CHECK(decode_certificate(encode_certificate(told)) == told);
  const std::vector<LogRow> longest(300, row(4, tag(std::string(1000, 'x'))));
  const Certificate one = certificate({}, Snapshot::upto({9}), longest);
  CHECK(one.untold);
  CHECK(one.intents.empty());
}

TEST_CASE("feed: bytes that were changed on the way are no certificate", "[feed]") {
  const std::string good = encode_certificate(
      certificate({{3}, {9}, {{3}}}, Snapshot::upto({12}), {row(3, entity("a", 1))}, {{7}}));
  const std::string ask =
      encode_ask({.follower = {5}, .nonce = {6}, .lease = 10s, .cursor = Cursor{kEpoch, {}, {}}});
  test::Choices choices(test::Choices::first_seed());
  CAPTURE(choices.seed());
  for (int i = 0; i < 20'000; ++i) {
    std::string bad = good;
    std::string worse = ask;
    test::mutate(bad, choices);
    test::mutate(worse, choices);
    if (bad != good) CHECK_FALSE(decode_certificate(bad));
    if (worse != ask) CHECK_FALSE(decode_ask(worse));
    // With a checksum that fits: whatever it is, it is read within its bounds.
    if (bad.size() < 16) continue;
    std::string sum;
    detail::put_integer(sum, checksum(ByteView(bad).substr(16)));
    bad.replace(8, 8, sum);
    if (const auto read = decode_certificate(bad)) CHECK(read->upto.snapshot.contains(read->from));
  }
}

TEST_CASE(
    "feed: what joins is applied, what is known is passed over, what does not join is a gap (hard "
    "cases 72 and 77)",
    "[feed]") {
  Standing standing(Snapshot::upto({5}));
  const Snapshot at5 = Snapshot::upto({5});
  const Snapshot at7 = Snapshot::upto({7});
  const Snapshot at9 = Snapshot::upto({9});

  FeedTaken taken = standing.take({certificate(at5, at7, {row(6, tag("a")), row(7, tag("b"))})});
  CHECK(taken.status == TailStatus::ok);
  CHECK(taken.rows.size() == 2);
  CHECK(taken.upto->snapshot == at7);
  // Late, from a worker that was fenced.
  taken = standing.take({certificate(at5, at7, {row(6, tag("a")), row(7, tag("b"))})});
  CHECK(taken.rows.empty());
  CHECK(taken.upto->snapshot == at7);
  // From behind the cursor.
  taken = standing.take({certificate({}, at9, {row(1, tag("z")), row(9, tag("c"))})});
  CHECK(taken.status == TailStatus::ok);
  CHECK(taken.upto->snapshot == at9);
  taken = standing.take({certificate(Snapshot::upto({10}), Snapshot::upto({12}), {})});
  CHECK(taken.status == TailStatus::pruned);
  CHECK(taken.upto->snapshot == Snapshot::upto({12}));
  CHECK(standing.follower.gaps() == 1);
  CHECK(standing.follower.place().empty());  // entries may have earlier places now
  const Certificate untold =
      Certificate::of(kShop, {}, {kEpoch, Snapshot::upto({20}), {}}, std::nullopt);
  taken = standing.take({untold});
  CHECK(taken.status == TailStatus::pruned);
  CHECK(standing.follower.gaps() == 1);
}

TEST_CASE("feed: what was taken in the look in which a follower began is known from before it",
          "[feed]") {
  FeedFollower follower(kShop);
  const Nonce mine = follower.ask(ManualClock().now());
  const Snapshot at5 = Snapshot::upto({5});
  const Snapshot at7 = Snapshot::upto({7});
  const Snapshot at9 = Snapshot::upto({9});
  follower.begin_look();
  const FeedTaken taken =
      follower.take(std::nullopt, page_of({certificate(at5, at7, {row(6, tag("a"))}, {mine}),
                                           certificate(at7, at9, {row(9, tag("b"))})}));
  CHECK(taken.upto->snapshot == at9);
  // A bucket may end where the first of them begins, and tell nothing of either.
  REQUIRE(follower.began());
  CHECK(follower.began()->from == at5);
  CHECK(follower.began()->intents ==
        std::vector<Certificate::Intent>{{tag("a"), {6}}, {tag("b"), {9}}});
  follower.begin_look();
  static_cast<void>(follower.take(
      taken.upto, page_of({certificate(at9, Snapshot::upto({12}), {row(11, tag("c"))})})));
  CHECK(follower.began()->intents.size() == 2);
}

TEST_CASE("feed: a row that nobody can read is told as a flush, and never left out (hard case 82)",
          "[feed]") {
  Standing standing(Snapshot::upto({5}));
  const FeedTaken taken = standing.take({certificate(Snapshot::upto({5}), Snapshot::upto({7}),
                                                     {row(6, std::nullopt), row(7, tag("b"))})});
  REQUIRE(taken.rows.size() == 2);
  CHECK(taken.rows[0].target == flush_all());
  CHECK(taken.rows[0].position == Position{6});
  CHECK(taken.rows[1].target == tag("b"));
}

TEST_CASE("feed: a beat counts after the last page alone (hard case 78)", "[feed]") {
  Standing standing(Snapshot::upto({5}));
  FeedPage page = page_of({});
  page.beat = encode_certificate(certificate(Snapshot::upto({7}), Snapshot::upto({7}), {}));
  page.more = true;
  CHECK(standing.follower.take(standing.at, page).status == TailStatus::ok);
  page.more = false;
  CHECK(standing.follower.take(standing.at, page).status == TailStatus::pruned);
}

TEST_CASE("feed: an answer counts for one's own question, and where the cursor includes it",
          "[feed]") {
  ManualClock clock;
  Standing standing(Snapshot::upto({5}));
  const MonotonicTime first = clock.now();
  const Nonce mine = standing.follower.ask(first);
  CHECK_FALSE(standing.take({certificate({}, Snapshot::upto({5}), {}, {{mine.value + 1}})}).as_of);
  CHECK(standing.take({certificate({}, Snapshot::upto({5}), {}, {mine})}).as_of == first);
  clock.advance(1s);
  const Nonce next = standing.follower.ask(clock.now());
  // The last one that it answers.
  CHECK(standing.take({certificate({}, Snapshot::upto({5}), {}, {mine, next})}).as_of ==
        clock.now());
  // Of another log.
  Certificate other = certificate({}, Snapshot::upto({5}), {}, {next});
  other.feed.namespace_name = "other";
  CHECK_FALSE(standing.take({other}).as_of);
  CHECK(standing.follower.foreign() == 1);
}

TEST_CASE(
    "feed: another epoch is entered by an answer alone, and one that was left never again (hard "
    "case 81)",
    "[feed]") {
  ManualClock clock;
  Standing standing(Snapshot::upto({5}));
  const Nonce mine = standing.follower.ask(clock.now());
  Certificate next = certificate({}, Snapshot::upto({2}), {});
  next.upto.epoch = {3, 4};
  CHECK(standing.take({next}).upto->epoch == kEpoch);
  next.answers = {mine};
  const FeedTaken taken = standing.take({next});
  CHECK(taken.status == TailStatus::history_changed);
  CHECK(taken.upto->epoch == Epoch{3, 4});
  const FeedTaken late = standing.take({certificate({}, Snapshot::upto({9}), {}, {mine})});
  CHECK(late.status == TailStatus::ok);
  CHECK(late.upto->epoch == Epoch{3, 4});
  CHECK_FALSE(late.as_of);
}

TEST_CASE("feed: an answer that is older than the entry into an epoch does not lead out of it",
          "[feed]") {
  ManualClock clock;
  Standing standing(Snapshot::upto({5}));
  const auto of_epoch = [](Epoch epoch, Nonce answered) {
    Certificate made = certificate({}, Snapshot::upto({2}), {}, {answered});
    made.upto.epoch = epoch;
    return made;
  };
  const Epoch second{3, 4};
  const Epoch third{5, 6};
  // The second answers first, and is lost until an older dump of the server comes back.
  const Nonce first = standing.follower.ask(clock.now());
  clock.advance(1s);
  const Nonce next = standing.follower.ask(clock.now());
  // Both by whoever was slow to look at the database, or to write: in the order of the questions, and not.
  for (const Nonce lost : {first, next}) {
    CAPTURE(lost == first);
    Standing other = standing;
    const Nonce known = lost == first ? next : first;
    CHECK(other.take({of_epoch(third, known)}).upto->epoch == third);
    const FeedTaken late = other.take({of_epoch(second, lost)});
    CHECK(late.status == TailStatus::ok);
    CHECK(late.upto->epoch == third);
    CHECK_FALSE(late.as_of);
    // Whoever is asked from here on knows better.
    const Nonce since = other.follower.ask(clock.now());
    CHECK(other.take({of_epoch({7, 8}, since)}).status == TailStatus::history_changed);
  }
  // In one page, too; and after a first entry.
  const FeedTaken both = standing.take({of_epoch(third, next), of_epoch(second, first)});
  CHECK(both.upto->epoch == third);
  FeedFollower fresh(kShop);
  const Nonce one = fresh.ask(clock.now());
  const Nonce two = fresh.ask(clock.now());
  const FeedTaken began =
      fresh.take(std::nullopt, page_of({of_epoch(third, two), of_epoch(second, one)}));
  CHECK(began.upto->epoch == third);
}

TEST_CASE("feed: what others have invalidated with one's own write in between is not passed over",
          "[feed]") {
  // 6 is another's and commits after 7, which is one's own; the worker hands on both at once.
  const Snapshot before({6}, {6}, {});
  Marks marks(4096);
  marks.restart({kEpoch, before, {}});
  const Target target = entity("product", 1);
  const MarkUpdate own = MarkUpdate::of(target, {7});
  marks.apply_own(kEpoch, {&own, 1}, Position{7});
  const std::uint64_t loaded = marks.generation();
  const Certificate both =
      certificate(before, Snapshot::upto({7}), {row(6, target), row(7, target)});
  std::vector<MarkUpdate> updates;
  for (const auto& intent : both.intents)
    updates.push_back(MarkUpdate::of(*intent.row().target, intent.position));
  marks.apply_log(updates, both.upto);
  const TargetId id = target.id();
  CHECK_FALSE(marks.unchanged_since(loaded, {&id, 1}));
}

TEST_CASE(
    "feed: a read that must be current is not content with an earlier answer of the same moment",
    "[feed]") {
  ManualClock clock;  // stands
  const auto server = std::make_shared<MemoryFeed>();
  MemoryOutbox outbox("shop");
  FeedApplier applier("redis", std::make_unique<FeedRelay>(kShop, *server));
  Worker worker(WorkerLog{outbox, outbox, outbox}, applier);
  server->on_await = [&] { static_cast<void>(worker.run_once()); };
  FeedLog log(kShop, server->reader(kShop), {.clock = &clock});
  const Cursor began = log.now();
  // Asked, and answered before the write; the answer is read after it.
  static_cast<void>(log.read({.from = began}));
  static_cast<void>(worker.run_once());
  IntentBatch intents;
  intents.add(tag("written"));
  const Position written = outbox.append(intents).position;
  const TailPage page = log.read({.from = began, .current = true});
  CHECK(page.upto.snapshot.covers(written));
}

TEST_CASE("feed: connections to an old history are let go before another is reported", "[feed]") {
  const auto server = std::make_shared<MemoryFeed>();
  MemoryOutbox outbox("shop");
  FeedApplier applier("redis", std::make_unique<FeedRelay>(kShop, *server));
  Worker worker(WorkerLog{outbox, outbox, outbox}, applier);
  server->on_await = [&] { static_cast<void>(worker.run_once()); };
  int told = 0;
  FeedLog log(kShop, server->reader(kShop), {.on_history_change = [&] { ++told; }});
  const Cursor began = log.now();
  CHECK(log.read({.from = began}).status == TailStatus::ok);
  CHECK(told == 0);
  outbox.replace_history();
  const TailPage page = log.read({.from = began});
  CHECK(page.status == TailStatus::history_changed);
  CHECK(page.upto.epoch != began.epoch);
  CHECK(told == 1);
}

TEST_CASE(
    "followers: those who wait for all wait for each, from before its first cursor (hard case 84)",
    "[feed]") {
  ManualClock clock;
  MemoryOutbox outbox("shop", clock);
  Followers followers(outbox, clock);
  const auto row_of = [&] { return outbox.subscribers(); };
  const Cursor early{kEpoch, Snapshot::upto({3}), {}};
  const Cursor later{kEpoch, Snapshot::upto({9}), {}};
  const auto ask = [](std::uint64_t id, std::uint64_t nonce, std::optional<Cursor> cursor) {
    return FeedAsk{.follower = {id}, .nonce = {nonce}, .lease = 10s, .cursor = std::move(cursor)};
  };
  // There may be some that nobody knows: for a lease nobody is taken for known.
  std::vector<FeedAsk> asks{ask(1, 1, later)};
  CHECK(followers.saw(asks).empty());
  REQUIRE(row_of().size() == 1);
  CHECK_FALSE(row_of()[0].cursor);
  clock.advance(9s);
  asks[0].nonce = {2};
  static_cast<void>(followers.saw(asks));
  clock.advance(1s);
  static_cast<void>(followers.saw(asks));
  CHECK(row_of()[0].cursor == later);
  // A new one, before it has a cursor; then the least counts.
  asks.push_back(ask(2, 1, std::nullopt));
  static_cast<void>(followers.saw(asks));
  REQUIRE(row_of().size() == 1);
  CHECK_FALSE(row_of()[0].cursor);
  asks[1] = ask(2, 2, early);
  static_cast<void>(followers.saw(asks));
  CHECK(row_of()[0].cursor->snapshot == early.snapshot);
  // Its question is lost: it counts for its lease all the same.
  asks.pop_back();
  clock.advance(9s);
  asks[0].nonce = {3};
  CHECK(followers.saw(asks).empty());
  CHECK(row_of()[0].cursor->snapshot == early.snapshot);
  clock.advance(2s);
  asks[0].nonce = {4};
  CHECK(followers.saw(asks).size() == 1);
  CHECK(row_of()[0].cursor->snapshot == later.snapshot);
  CHECK(followers.count() == 1);
}

TEST_CASE("followers: nobody who follows, and no row", "[feed]") {
  ManualClock clock;
  MemoryOutbox outbox("shop", clock);
  Followers followers(outbox, clock);
  static_cast<void>(followers.saw({}));
  CHECK(outbox.subscribers().size() == 1);
  clock.advance(11s);
  static_cast<void>(followers.saw({}));
  CHECK(outbox.subscribers().empty());
}

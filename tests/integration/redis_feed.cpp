// The feed in a real Redis server, between a worker and followers in one program; and what becomes of
// them when the server is gone, full, emptied or older.

#include <signal.h>

#include <catch2/catch.hpp>
#include <map>

#include "support/feed_world.hpp"
#include "support/redis_server.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

const Target kProduct = entity("product", 1);
const Target kOther = entity("product", 2);

}  // namespace

TEST_CASE("redis feed: a follower's marks move with the log that it never reads", "[redis]") {
  RedisServer& server = RedisServer::shared();
  Handed handed(server.url(), "moves");
  handed.work();
  Follower follower(handed);
  follower.subscriber.start();
  const std::uint64_t before = follower.marks.generation();
  const Receipt receipt = handed.write(kProduct);
  CHECK(follower.subscriber.wait(receipt, Wait::local(10s)).satisfied());
  CHECK_FALSE(follower.unchanged(before, kProduct));
  CHECK(follower.unchanged(before, kOther));
  CHECK(follower.marks.cursor().epoch == receipt.epoch);
  CHECK(follower.marks.trusted(system_clock().now()));

  // Strong: whatever was committed before.
  const std::uint64_t then = follower.marks.generation();
  static_cast<void>(handed.outbox.append(batch(kOther)));  // nobody rings
  follower.subscriber.catch_up();
  CHECK_FALSE(follower.unchanged(then, kOther));
  CHECK(follower.log.gaps() == 0);
  CHECK(follower.marks.restarts() == 1);

  // In doubt, or of nobody: nothing is claimed.
  Receipt doubt = receipt;
  doubt.in_doubt = true;
  CHECK(follower.subscriber.wait(doubt, Wait::local(10s)).status == WaitStatus::refused);
  Receipt ahead = receipt;
  ahead.position = {1000};
  CHECK(follower.subscriber.wait(ahead, Wait::local(20ms)).status == WaitStatus::timed_out);
}

TEST_CASE("redis feed: who asks without a worker is told, and trusts nothing (hard case 80)",
          "[redis]") {
  RedisServer& server = RedisServer::shared();
  Handed handed(server.url(), "nobody");
  Follower follower(handed, 100ms);
  CHECK_THROWS_WITH(follower.subscriber.start(), Catch::Matchers::Contains("no worker"));
  CHECK_FALSE(follower.marks.trusted(system_clock().now()));
  handed.work();
  Follower later(handed);
  later.subscriber.begin();
  handed.stop_working();
  Follower cut(handed, 50ms);
  CHECK_THROWS_AS(cut.subscriber.begin(), Error);
}

TEST_CASE("redis feed: an emptied server, and an older one, are found out (hard case 75)",
          "[redis]") {
  RedisServer server({"--save", "", "--appendonly", "no"});
  Handed handed(server.url());
  handed.work();
  Follower follower(handed);
  follower.subscriber.begin();
  static_cast<void>(handed.write(kProduct));
  follower.subscriber.catch_up();
  server.ask({"SAVE"});

  // Older: what is written next does not join what the dump has, but what the follower knows.
  static_cast<void>(handed.write(kOther));
  follower.subscriber.catch_up();
  server.stop(SIGKILL);
  server.start();
  const std::uint64_t before = follower.marks.generation();
  static_cast<void>(handed.write(kProduct));
  for (int tries = 0; tries < 100; ++tries) {
    try {
      follower.subscriber.catch_up();
      break;
    } catch (const Error&) {  // the worker's breaker may still be open
      REQUIRE(tries < 99);
    }
  }
  CHECK_FALSE(follower.unchanged(before, kProduct));

  // A follower that has missed what was lost takes everything for stale.
  Follower missing(handed);
  missing.subscriber.begin();
  const std::uint64_t stamp = missing.marks.generation();
  static_cast<void>(handed.write(kProduct));
  follower.subscriber.catch_up();  // handed on
  server.ask({"FLUSHALL"});
  static_cast<void>(handed.write(kOther));
  missing.subscriber.catch_up();
  CHECK_FALSE(missing.unchanged(stamp, kProduct));
  CHECK(missing.log.gaps() == 1);
  CHECK(follower.log.gaps() == 0);
}

TEST_CASE("redis feed: a server that is full hands on nothing, and loses nothing (hard case 79)",
          "[redis]") {
  RedisServer server({"--maxmemory", "3mb", "--maxmemory-policy", "noeviction"});
  Handed handed(server.url());
  handed.work();
  Follower follower(handed);
  follower.subscriber.begin();
  const std::uint64_t before = follower.marks.generation();
  server.ask({"CONFIG", "SET", "maxmemory", "1"});
  static_cast<void>(handed.write(kProduct));
  // Reads go on; the question is refused, so nothing is proved.
  CHECK_THROWS_AS(follower.subscriber.catch_up(), Error);
  CHECK(follower.unchanged(before, kProduct));
  server.ask({"CONFIG", "SET", "maxmemory", "100mb"});
  for (int tries = 0; follower.unchanged(before, kProduct) && tries < 100; ++tries) {
    try {
      follower.subscriber.catch_up();
    } catch (const Error&) {  // the worker's breaker may still be open
      REQUIRE(tries < 99);
    }
  }
  CHECK_FALSE(follower.unchanged(before, kProduct));
  CHECK(handed.worker->stats().died == 0);
  CHECK(follower.log.gaps() == 0);
}

TEST_CASE("redis feed: what an operator does to the server costs time at most", "[redis]") {
  RedisServer server;
  Handed handed(server.url(), "operated", 300ms);
  handed.work();
  Follower follower(handed);
  follower.subscriber.start();
  const std::string stream = "{qm:feed:shop:operated}:stream";
  // Whatever was done, in the end what is written meanwhile is applied.
  const auto catches_up = [&] {
    const std::uint64_t before = follower.marks.generation();
    static_cast<void>(handed.write(kProduct));
    for (int tries = 0;; ++tries) {
      try {
        follower.subscriber.catch_up();
        break;
      } catch (const Error&) {  // the worker's breaker may still be open
        REQUIRE(tries < 100);
      }
    }
    CHECK_FALSE(follower.unchanged(before, kProduct));
    CHECK(follower.marks.cursor() == handed.outbox.now());
  };
  catches_up();

  SECTION("it closes all connections, as its idle timeout or a proxy's does") {
    for (int i = 0; i < 3; ++i) {
      server.ask({"CLIENT", "KILL", "TYPE", "normal"});
      catches_up();
    }
    CHECK(follower.log.gaps() == 0);
  }
  SECTION("it is made another's replica, and master again") {
    server.ask({"REPLICAOF", "127.0.0.1", "1"});
    CHECK_THROWS_AS(follower.subscriber.catch_up(), Error);
    const std::uint64_t before = follower.marks.generation();
    static_cast<void>(handed.write(kOther));
    CHECK_THROWS_AS(follower.subscriber.catch_up(), Error);
    server.ask({"REPLICAOF", "NO", "ONE"});
    catches_up();
    CHECK_FALSE(follower.unchanged(before, kOther));
    CHECK(follower.log.gaps() == 0);
  }
  SECTION("it pauses for longer than anybody waits, and then answers what was asked before") {
    for (int i = 0; i < 2; ++i) {
      server.ask({"CLIENT", "PAUSE", "700", "ALL"});
      catches_up();
    }
    CHECK(follower.log.foreign() == 0);
  }
  SECTION("an entry is removed from the middle of the stream") {
    const std::uint64_t before = follower.marks.generation();
    static_cast<void>(handed.write(kOther));
    follower.subscriber.catch_up();
    CHECK_FALSE(follower.unchanged(before, kOther));
    Follower late(handed);
    server.ask({"XTRIM", stream, "MAXLEN", "0"});
    late.subscriber.begin();  // by the beat
    catches_up();
    late.subscriber.catch_up();
    CHECK(late.marks.cursor() == handed.outbox.now());
  }
  SECTION("it forgets its scripts, and is told to keep nothing that is not asked for") {
    server.ask({"SCRIPT", "FLUSH"});
    server.ask({"CONFIG", "SET", "maxmemory-policy", "allkeys-random"});
    catches_up();
    CHECK(follower.log.gaps() == 0);
  }
  SECTION("the questions' place is full of what nobody asks") {
    const std::string asks = "{qm:feed:shop:operated}:asks";
    for (int i = 0; i < 2000; i += 4) {
      std::vector<std::string> words{"HSET", asks};
      for (int j = i; j < i + 4; ++j) {
        words.push_back("nobody" + std::to_string(j));
        words.push_back("QMFA");
      }
      server.ask(words);
    }
    catches_up();
  }
  SECTION("its databases change places") {
    server.ask({"SWAPDB", "0", "1"});
    catches_up();
    server.ask({"SWAPDB", "0", "1"});  // what was there before is back
    catches_up();
  }
}

TEST_CASE("redis feed: entries in places below those that were read are found out (hard case 76)",
          "[redis]") {
  RedisServer& server = RedisServer::shared();
  Handed handed(server.url(), "places");
  handed.work();
  Follower follower(handed);
  follower.subscriber.begin();
  const std::string stream = "{qm:feed:shop:places}:stream";
  // As a server numbers whose clock ran ahead, before it came back with an older dump.
  server.ask({"XADD", stream, "99999999999999-0", "c", "of nobody"});
  follower.subscriber.catch_up();
  server.ask({"DEL", stream});
  const std::uint64_t before = follower.marks.generation();
  static_cast<void>(handed.write(kProduct));
  follower.subscriber.catch_up();
  CHECK_FALSE(follower.unchanged(before, kProduct));
  const std::uint64_t then = follower.marks.generation();
  static_cast<void>(handed.write(kProduct));
  follower.subscriber.catch_up();
  CHECK_FALSE(follower.unchanged(then, kProduct));
  CHECK(follower.unchanged(then, kOther));  // it reads on from the new places
}

TEST_CASE("redis feed: the stream is bounded, and who is behind it begins anew", "[redis]") {
  RedisServer& server = RedisServer::shared();
  Handed handed(server.url(), "bounded");
  RedisFeed small(server.url(), {.entries = 1});
  const auto writer = small.writer(handed.name);
  const auto reader = small.reader(handed.name);
  // Nodes of a stream are forgotten as a whole.
  for (int i = 0; i < 500; ++i) writer->append(std::string(100, 'x'));
  std::size_t entries = 0;
  FeedRequest request;
  for (bool more = true; more;) {
    const FeedPage page = reader->read(request);
    entries += page.entries.size();
    CHECK(page.entries.size() <= request.limit);
    more = page.more;
    request.after = page.last;
  }
  CHECK(entries < 200);
}

TEST_CASE("redis feed: what somebody else has put there is no answer, and no crash", "[redis]") {
  RedisServer& server = RedisServer::shared();
  Handed handed(server.url(), "garbage");
  const std::string slot = "{qm:feed:shop:garbage}:";
  server.ask({"SET", slot + "beat", "nonsense"});
  server.ask({"XADD", slot + "stream", "*", "c", "nonsense", "d", "more"});
  server.ask({"HSET", slot + "asks", "7", "nonsense"});
  handed.work();
  Follower follower(handed);
  follower.subscriber.begin();
  follower.subscriber.catch_up();
  CHECK(follower.log.foreign() >= 1);
}

TEST_CASE(
    "redis feed: a value of another type in the way is put aside, and nothing stale is served",
    "[redis]") {
  RedisServer& server = RedisServer::shared();
  for (const std::string& key :
       std::vector<std::string>{"stream", "beat", "asks", "news", "rings", "bucket:0"}) {
    CAPTURE(key);
    const std::string name = "taken" + key.substr(0, 5);
    Handed handed(server.url(), name);
    const std::string place = "{qm:feed:shop:" + name + "}:" + key;
    server.ask({"DEL", place + ":aside"});
    handed.work();
    Follower follower(handed);
    follower.subscriber.begin();
    static_cast<void>(handed.write(kOther));
    follower.subscriber.catch_up();
    CHECK(handed.feed.put_aside() == 0);
    // Of a type that no key of a feed is of; with a write that the follower has yet to hear of.
    const std::uint64_t before = follower.marks.generation();
    server.ask({"DEL", place});
    server.ask({"RPUSH", place, "somebody else's"});
    static_cast<void>(handed.write(kProduct));
    follower.subscriber.catch_up();
    CHECK_FALSE(follower.unchanged(before, kProduct));
    static_cast<void>(handed.write(kProduct));
    follower.subscriber.catch_up();
    CHECK(server.ask({"TYPE", place}) != "list");
    // (A beat that falls due in between is a SET, which no value is in the way of.)
    if (key != "beat" || handed.feed.put_aside() > 0) {
      CHECK(server.ask({"LINDEX", place + ":aside", "0"}) == "somebody else's");
      CHECK(std::stoll(server.ask({"PTTL", place + ":aside"})) > 0);
      CHECK(handed.feed.put_aside() == 1);
    }
    CHECK(handed.worker->stats().died == 0);
    // Who begins now is told what became stale, or nothing.
    const SharedStamp stamp{follower.marks.cursor().epoch, {1}};
    Follower later(handed);
    later.subscriber.begin();
    later.subscriber.read_history();
    const TargetId id = kProduct.id();
    CHECK_FALSE(later.marks.judge(stamp, {&id, 1}));
  }
}

TEST_CASE("redis feed: what nobody may put aside stops the feed, and says why", "[redis]") {
  RedisServer server;
  server.ask({"SET", "{qm:feed:shop:barred}:stream", "a string"});
  server.ask({"ACL", "SETUSER", "barred", "on", "nopass", "~*", "+@all", "-rename"});
  std::string url = server.url();
  url.insert(url.find("//") + 2, "barred:x@");
  std::vector<std::string> told;
  RedisFeed feed(
      url, {.timeout = 2s, .on_put_aside = [&](const std::string& key) { told.push_back(key); }});
  const auto writer = feed.writer({"barred", "shop"});
  CHECK_THROWS_WITH(writer->append("one"), Catch::Matchers::Contains("WRONGTYPE"));
  CHECK(feed.put_aside() == 0);
  server.ask({"ACL", "SETUSER", "barred", "+rename"});
  writer->append("one");
  CHECK(told == std::vector<std::string>{"{qm:feed:shop:barred}:stream"});
  CHECK(feed.put_aside() == 1);
}

TEST_CASE("redis feed: a certificate and its change to a bucket are one round trip", "[redis]") {
  RedisServer server;
  Handed handed(server.url());
  const auto writer = handed.feed.writer(handed.name);
  BucketKeeper keeper(handed.name);
  Position last{0};
  const auto hand_on = [&] {
    const Snapshot from = Snapshot::upto(last);
    keeper.hand_on(*writer, Certificate{.feed = handed.name,
                                        .from = from,
                                        .upto = {{1, 2}, Snapshot::upto({++last.value}), {}},
                                        .intents = {{kProduct, last}},
                                        .answers = {}});
  };
  hand_on();  // looks, the first time
  // What the server reads from its sockets at once.
  const auto reads = [&] {
    const std::string info = server.ask({"INFO", "stats"});
    const std::string name = "total_reads_processed:";
    return std::stoll(info.substr(info.find(name) + name.size()));
  };
  const auto before = reads();
  const auto of_one_ask = reads() - before;
  constexpr int kTimes = 20;
  const auto began = reads();
  for (int i = 0; i < kTimes; ++i) hand_on();
  CHECK(reads() - began - of_one_ask == kTimes);
  CHECK(std::stoll(server.ask({"XLEN", "{qm:feed:shop:db}:stream"})) == kTimes + 1);
  CHECK(handed.feed.reader(handed.name)->buckets()[0].size == 1);

  // Where the bucket is not what it was, it is looked at and changed in the same call.
  server.ask({"DEL", "{qm:feed:shop:db}:bucket:0"});
  hand_on();
  const auto history = history_before(Certificate{.feed = handed.name,
                                                  .from = Snapshot::upto(last),
                                                  .upto = {{1, 2}, Snapshot::upto(last), {}},
                                                  .intents = {},
                                                  .answers = {}},
                                      handed.feed.reader(handed.name)->buckets());
  REQUIRE(history);
  CHECK(history->rows.size() == 1);
}

TEST_CASE("redis feed: who begins in the middle knows what became stale before (hard case 83)",
          "[redis]") {
  RedisServer& server = RedisServer::shared();
  Handed handed(server.url(), "middle");
  handed.work();
  Follower first(handed);
  first.subscriber.begin();
  static_cast<void>(handed.write(kOther));
  first.subscriber.catch_up();
  const SharedStamp stamp = first.marks.begin_load().shared;
  static_cast<void>(handed.write(kProduct));
  static_cast<void>(handed.write(key_named("a key")));
  first.subscriber.catch_up();

  const auto judged = [&](const Marks& marks, const Target& target) {
    const TargetId id = target.id();
    return marks.judge(stamp, {&id, 1}).has_value();
  };
  Follower later(handed);
  later.subscriber.begin();
  CHECK_FALSE(judged(later.marks, kOther));
  later.subscriber.read_history();
  CHECK(judged(later.marks, kOther));
  CHECK_FALSE(judged(later.marks, kProduct));
  CHECK_FALSE(judged(later.marks, key_named("a key")));

  // What was lost is not known, and so is nothing before it.
  server.ask({"DEL", "{qm:feed:shop:middle}:bucket:0"});
  static_cast<void>(handed.write(kOther));
  first.subscriber.catch_up();
  Follower after(handed);
  after.subscriber.begin();
  after.subscriber.read_history();
  CHECK_FALSE(judged(after.marks, entity("product", 3)));
}

TEST_CASE("redis feed: a bucket is changed where it ends as expected alone, and keeps later marks",
          "[redis]") {
  RedisFeed feed(RedisServer::shared().url(), {.timeout = 2s});
  const FeedName name{"bucket", "shop"};
  const auto writer = feed.writer(name);
  const auto reader = feed.reader(name);
  const std::string early = "00000000000000000007";
  const std::string late = "00000000000000000012";
  CHECK_FALSE(writer->change_bucket({.bucket = 2, .expected = "one", .upto = "two"}));
  CHECK(writer->change_bucket(
            {.bucket = 2, .head = "head", .upto = "one", .marks = {{"a", late}, {"b", early}}}) ==
        2);
  CHECK_FALSE(writer->change_bucket({.bucket = 2, .expected = "none", .upto = "two"}));
  CHECK(writer->change_bucket({.bucket = 2,
                               .expected = "one",
                               .upto = "two",
                               .marks = {{"a", early}, {"b", late}, {"c", early}}}) == 3);
  const auto buckets = reader->buckets();
  REQUIRE(buckets.size() == kBuckets);
  CHECK(buckets[2].head == "head");
  CHECK(buckets[2].upto == "two");
  using ByTarget = std::map<std::string, std::string>;
  CHECK(ByTarget(buckets[2].marks.begin(), buckets[2].marks.end()) ==
        ByTarget{{"a", late}, {"b", late}, {"c", early}});
  CHECK(buckets[3].head.empty());
  const auto heads = writer->bucket_heads();
  REQUIRE(heads.size() == kBuckets);
  CHECK(heads[2].head == "head");
  CHECK(heads[2].upto == "two");
  CHECK(heads[2].size == 3);
  CHECK(heads[2].marks.empty());
  CHECK(heads[0].size == 0);
  CHECK(writer->change_bucket({.bucket = 2, .head = "anew", .upto = "one", .marks = {}}) == 0);
}

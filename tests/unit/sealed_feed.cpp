// A feed through a server that is trusted with nothing.

#include "querymark/feed/sealed_feed.hpp"

#include <catch2/catch.hpp>

#include "property/random.hpp"
#include "querymark/deliver/worker.hpp"
#include "querymark/feed/feed_log.hpp"
#include "querymark/feed/feed_relay.hpp"
#include "querymark/follow/subscriber.hpp"
#include "querymark/log/memory_outbox.hpp"
#include "support/memory_feed.hpp"
#include "support/silent.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::MemoryFeed;
using test::SilentDoorbell;

const FeedName kShop{"db", "shop"};
const Target kProduct = entity("product", 1);

std::shared_ptr<const SealingKeys> keys(const std::string& text) {
  return SealingKeys::parsed(text);
}
const std::string kOne = "one " + std::string(64, '1');
const std::string kTwo = "two " + std::string(64, '2');

// A worker with some keys and a follower with others, over one server.
struct Sealed {
  Sealed(const std::string& of_worker, const std::string& of_follower)
      : writing(server, keys(of_worker)), reading(server, keys(of_follower)) {
    server->on_await = [this] { static_cast<void>(worker.run_once()); };
  }
  void write(const Target& target) {
    IntentBatch intents;
    intents.add(target);
    static_cast<void>(outbox.append(intents));
  }

  std::shared_ptr<MemoryFeed> server = std::make_shared<MemoryFeed>();
  SealedFeed writing;
  SealedFeed reading;
  MemoryOutbox outbox{"shop"};
  FeedApplier applier{
      "redis", std::make_unique<FeedRelay>(kShop, writing, std::make_unique<Followers>(outbox))};
  Worker worker{WorkerLog{outbox, outbox, outbox}, applier};
  SilentDoorbell bell;
  Marks marks{4096};
  FeedLog log{kShop, reading.reader(kShop), {.answer_timeout = 200ms}};
  Subscriber subscriber{"shop", log, bell, marks, {}};
};

}  // namespace

TEST_CASE("sealed feed: followers with the key follow, and the server reads nothing", "[feed]") {
  Sealed sealed(kOne, kOne);
  sealed.subscriber.begin();
  const std::uint64_t before = sealed.marks.generation();
  sealed.write(kProduct);
  sealed.subscriber.catch_up();
  const TargetId id = kProduct.id();
  CHECK_FALSE(sealed.marks.unchanged_since(before, {&id, 1}));
  CHECK(sealed.log.gaps() == 0);
  CHECK(sealed.log.foreign() == 0);
  const MemoryFeed::Kept kept = sealed.server->kept(kShop);
  REQUIRE_FALSE(kept.stream.empty());
  for (const auto& [place, entry] : kept.stream) {
    CHECK(entry.find("product") == std::string::npos);
    CHECK_FALSE(decode_certificate(entry));
  }
  REQUIRE(kept.asks.size() == 1);
  CHECK_FALSE(decode_ask(kept.asks.begin()->second));
  for (const auto& bucket : kept.buckets) CHECK(bucket.head.empty());
  const RelayStats stats = sealed.applier.relay()->stats();
  CHECK(stats.followers == 1);
  CHECK(stats.segments >= 1);
  CHECK_FALSE(sealed.writing.writer(kShop)->keeps_buckets());
}

TEST_CASE("sealed feed: keys are changed while all goes on", "[feed]") {
  Sealed sealed(kTwo + "\n" + kOne, kOne + "\n" + kTwo);
  sealed.subscriber.begin();
  sealed.write(kProduct);
  sealed.subscriber.catch_up();
  CHECK(sealed.log.foreign() == 0);
}

TEST_CASE("sealed feed: nobody without the key can answer, ask or make stale", "[feed]") {
  Sealed sealed(kTwo, kOne);
  CHECK_THROWS_AS(sealed.subscriber.begin(), Error);

  Sealed good(kOne, kOne);
  good.subscriber.begin();
  good.write(kProduct);
  good.subscriber.catch_up();
  const std::uint64_t generation = good.marks.generation();
  // What was not sealed; and what was sealed for another log.
  Certificate forged{.feed = kShop,
                     .from = {},
                     .upto = good.marks.cursor(),
                     .intents = {},
                     .untold = true,
                     .answers = {}};
  forged.upto.snapshot = Snapshot::upto({1000});
  good.server->writer(kShop)->append(encode_certificate(forged));
  const FeedName another{"copy", "shop"};
  auto of_another = std::make_shared<MemoryFeed>();
  SealedFeed(of_another, keys(kOne)).writer(another)->append(encode_certificate(forged));
  good.server->writer(kShop)->append(of_another->kept(another).stream.front().second);
  // A question in an answer's place.
  good.server->writer(kShop)->append(good.server->kept(kShop).asks.begin()->second);
  good.subscriber.catch_up();
  CHECK(good.log.foreign() == 3);
  CHECK(good.marks.generation() == generation);
  CHECK(good.marks.restarts() == 1);
}

TEST_CASE("sealed feed: what was not sealed for its place is nothing there", "[feed]") {
  auto server = std::make_shared<MemoryFeed>();
  SealedFeed sealed(server, keys(kOne));
  const auto reader = sealed.reader(kShop);
  const auto writer = sealed.writer(kShop);
  const auto ask_with = [](FeedReader& of, SubscriberId follower, std::string bytes) {
    return of.read({.after = {}, .ask = StoredAsk{follower, std::move(bytes)}});
  };
  static_cast<void>(ask_with(*reader, {5}, "a question"));
  writer->append("a certificate");
  writer->beat("a beat");
  const MemoryFeed::Kept kept = server->kept(kShop);
  const std::string question = kept.asks.begin()->second;
  const std::string certificate = kept.stream.front().second;
  CHECK(reader->read({}).beat == "a beat");
  CHECK(writer->asks() == std::vector<std::string>{"a question"});

  const auto by_anybody = server->writer(kShop);
  for (const std::string& foreign : {question, std::string("a certificate")}) {
    by_anybody->append(foreign);
    CHECK(reader->read({}).entries.back().empty());
    by_anybody->beat(foreign);
    CHECK(reader->read({}).beat == "");
  }
  for (const std::string& foreign : {certificate, std::string("a question")}) {
    static_cast<void>(ask_with(*server->reader(kShop), {6}, foreign));
    CHECK(writer->asks() == std::vector<std::string>{"a question"});
  }
}

TEST_CASE("sealed feed: whatever bit differs, nothing opens", "[feed]") {
  auto server = std::make_shared<MemoryFeed>();
  SealedFeed sealed(server, keys(kOne));
  sealed.writer(kShop)->append("a certificate");
  const auto reader = sealed.reader(kShop);
  CHECK(reader->read({}).entries == std::vector<std::string>{"a certificate"});
  const MemoryFeed::Kept kept = server->kept(kShop);
  test::Choices choices(test::Choices::first_seed());
  CAPTURE(choices.seed());
  for (int i = 0; i < 2000; ++i) {
    MemoryFeed::Kept bad = kept;
    test::mutate(bad.stream.front().second, choices);
    if (bad.stream.front().second == kept.stream.front().second) continue;
    server->put_back(kShop, bad);
    CHECK(reader->read({}).entries.at(0).empty());
  }
}

TEST_CASE("sealed feed: who has gone is forgotten, as the server keeps it", "[feed]") {
  auto server = std::make_shared<MemoryFeed>();
  SealedFeed sealed(server, keys(kOne));
  const FeedAsk ask{.follower = {5}, .nonce = {6}, .lease = 10s, .cursor = std::nullopt};
  static_cast<void>(
      sealed.reader(kShop)->read({.after = {}, .ask = StoredAsk{{5}, encode_ask(ask)}}));
  const auto writer = sealed.writer(kShop);
  CHECK(writer->asks() == std::vector<std::string>{encode_ask(ask)});
  writer->forget({5}, encode_ask(ask));
  CHECK(server->kept(kShop).asks.empty());
  CHECK_THROWS_AS(SealedFeed(nullptr, keys(kOne)), ConfigError);
  CHECK_THROWS_AS(SealedFeed(server, nullptr), ConfigError);
}

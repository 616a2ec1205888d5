// What tiers do to those who read through them: the hard cases, each over a file, Redis and memcached.

#include <catch2/catch.hpp>
#include <tuple>
#include <vector>

#include "conformance/tier_worlds.hpp"
#include "support/rows.hpp"
#include "support/tier_values.hpp"
#include "support/worlds.hpp"
#ifdef QUERYMARK_TEST_POSTGRES
#include <pqxx/connection>
#include <pqxx/transaction>
#endif

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

// A tier whose puts come late: when a test says so.
class LatePuts final : public SharedTier {
 public:
  explicit LatePuts(std::shared_ptr<SharedTier> real) : real_(std::move(real)) {}

  [[nodiscard]] std::string_view label() const noexcept override { return real_->label(); }
  [[nodiscard]] std::optional<TierFailure> read(std::string_view namespace_name,
                                                std::span<TierRead> wanted) noexcept override {
    return real_->read(namespace_name, wanted);
  }
  StoreStatus put(std::string_view namespace_name, const Digest& name,
                  const SharedValue& value) noexcept override {
    held.emplace_back(namespace_name, name, value);
    return StoreStatus::stored;
  }
  std::size_t remove(std::string_view namespace_name, std::span<const Digest> names) override {
    return real_->remove(namespace_name, names);
  }
  [[nodiscard]] bool names_newest() const noexcept override { return real_->names_newest(); }
  [[nodiscard]] std::optional<SharedStamp> newest(Epoch epoch) const override {
    return real_->newest(epoch);
  }

  void let_go() {
    for (const auto& [namespace_name, name, value] : held)
      CHECK(real_->put(namespace_name, name, value) == StoreStatus::stored);
  }

  std::vector<std::tuple<std::string, Digest, SharedValue>> held;

 private:
  std::shared_ptr<SharedTier> real_;
};

template <class World>
std::shared_ptr<LatePuts> late_puts(const World& world) {
  using Tier = decltype(world.tier());
  return std::make_shared<LatePuts>(std::make_shared<Tier>(world.tier()));
}

}  // namespace

TEMPLATE_TEST_CASE("tiers: what a slow filler puts there late is refused (hard case 16)", "[tiers]",
                   QUERYMARK_TIER_WORLDS) {
  const TestType world;
  typename TestType::Process filler(world.shop);
  const auto slow = late_puts(world);
  filler.db.attach(slow);
  CHECK(only(filler.price(1)) == 2.5);
  REQUIRE(slow->held.size() == 1);
  typename TestType::Process writer(world.shop);
  writer.db.attach(world.tier());
  typename TestType::Process reader(world.shop);
  reader.db.attach(world.tier());
  const Receipt receipt = writer.set_price(1, 4.0);
  // A worker that removes what the write has hit has long gone on when the old value comes.
  slow->let_go();
  REQUIRE(reader.db.wait(receipt, Wait::local(10s)).satisfied());
  CHECK(only(writer.price(1)) == 4.0);
  CHECK(only(reader.price(1)) == 4.0);
  CHECK(writer.cache.stats().shared_stale == TestType::kCopies);
  CHECK(reader.cache.stats().shared_hits + reader.cache.stats().shared_stale > 0);
  // A second late put does not replace what is newer.
  for (const auto& [namespace_name, name, value] : slow->held)
    CHECK(world.tier().put(namespace_name, name, value) == StoreStatus::superseded);
  typename TestType::Process newcomer(world.shop);
  newcomer.db.attach(world.tier());
  CHECK(only(newcomer.price(1)) == 4.0);
}

// Positions are handed out twice where a file is put back: nothing but the witness tells them apart.
TEMPLATE_TEST_CASE(
    "tiers: ids that a restored database hands out again make no old value new (hard cases 12 and "
    "91)",
    "[tiers]", SqliteWorld, OverGroup<SqliteWorld> QUERYMARK_OVER_REDIS QUERYMARK_OVER_MEMCACHED) {
  const TestType world;
  {
    typename TestType::Process filler(world.shop);
    filler.db.attach(world.tier());
    filler.set_price(1, 8.0);
    CHECK(only(filler.price(1)) == 8.0);
  }
  world.shop.rewind();
  typename TestType::Process reader(world.shop);
  reader.db.attach(world.tier());
  CHECK(only(reader.price(1)) == 2.5);
  CHECK(reader.cache.stats().shared_hits == 0);
  // From the next load on the tier serves again.
  static_cast<void>(reader.price(1));
  typename TestType::Process next(world.shop);
  next.db.attach(world.tier());
  const auto shared = next.price(1);
  CHECK(shared.outcome().origin == Origin::shared_tier);
  CHECK(shared[0] == 2.5);
}

#define QUERYMARK_STORED_WORLDS FileWorld, SealedFileWorld
#ifdef QUERYMARK_TEST_REDIS
#define QUERYMARK_STORED_OVER_REDIS , RedisWorld, SealedRedisWorld, RedisClusterWorld
#else
#define QUERYMARK_STORED_OVER_REDIS
#endif
#ifdef QUERYMARK_TEST_MEMCACHED
#define QUERYMARK_STORED_OVER_MEMCACHED , MemcachedWorld, SealedMemcachedWorld
#else
#define QUERYMARK_STORED_OVER_MEMCACHED
#endif

TEMPLATE_TEST_CASE("tiers: an older value under a newer stamp is none (hard case 89)", "[tiers]",
                   QUERYMARK_STORED_WORLDS QUERYMARK_STORED_OVER_REDIS
                       QUERYMARK_STORED_OVER_MEMCACHED) {
  const TestType world;
  const auto tier = world.open();
  const auto value = [&](std::string_view text, std::uint64_t horizon) {
    SharedValue made = value_of(text, {7, 8}, horizon, entity("product", 7));
    made.stored = world.clock.wall_now();
    made.expires = made.stored + 1h;
    return made;
  };
  const SharedName under{"shop", name(1)};
  const auto old = world.codec->encode(under, value("old", 5), 20'000);
  REQUIRE(old);
  REQUIRE(tier->put("shop", name(1), value("new", 9)) == StoreStatus::stored);
  world.corrupt("shop", name(1), *old);  // what stands beside the value stays
  CHECK(text_in(tier->get("shop", name(1))) == "none");
}

#ifdef QUERYMARK_TEST_POSTGRES
#if defined(QUERYMARK_TEST_REDIS) && defined(QUERYMARK_TEST_MEMCACHED)
TEMPLATE_TEST_CASE(
    "tiers: while an open transaction hides who loads, nobody waits for him (hard case 92)",
    "[tiers]", OverRedis<PostgresWorld>, OverMemcached<PostgresWorld>) {
  const TestType world;
  PgProcess first(world.shop);
  const auto slow = late_puts(world);
  first.db.attach(slow);
  const auto price = [](PgProcess& process) {
    return process.db.query(PostgresWorld::kPriceOf, 1)
        .tag(entity("product", 1))
        .ttl(1h)
        .lease(2s)
        .fetch_as<double>();
  };
  CHECK(only(price(first)) == 2.5);
  REQUIRE(slow->held.size() == 1);
  // Somebody has the lease, and never comes to an end.
  auto tier = world.tier();
  REQUIRE(tier.lease("shop", std::get<1>(slow->held[0]), "another's", 60s) == LeaseAnswer::granted);
  pqxx::connection own(world.shop.url());
  pqxx::work open(own);
  open.exec("select pg_current_xact_id()");
  PgProcess second(world.shop);
  second.db.attach(world.tier());
  REQUIRE(second.db.wait(first.set_price(1, 4.0), Wait::local(10s)).satisfied());
  CHECK(only(price(second)) == 4.0);
  CHECK(second.cache.stats().lease_waits == 0);
}
#endif
#endif

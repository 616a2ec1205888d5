// What every shared tier promises.

#include <array>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "conformance/tier_worlds.hpp"
#include "support/plain_codec.hpp"
#include "support/tier_values.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

const Epoch kEpoch{7, 8};

// A value that lives for an hour of the world's clock.
template <class World>
SharedValue value(const World& world, std::string_view text, std::uint64_t horizon = 5,
                  Epoch epoch = kEpoch) {
  SharedValue made = value_of(text, epoch, horizon, entity("product", 7));
  made.stored = world.clock.wall_now();
  made.expires = made.stored + 1h;
  return made;
}

std::string text(SharedTier& tier, const Digest& under) { return text_in(tier.get("shop", under)); }

}  // namespace

TEMPLATE_TEST_CASE("tiers: what was put is read back as it was, by everybody", "[tiers]",
                   QUERYMARK_TIERS) {
  const TestType world;
  const auto tier = world.open();
  SharedValue put = value(world, "tea");
  put.stamp = {kEpoch, {0xFEDC'BA98'7654'3210}, {0x8123'4567'89AB'CDEF}};
  if (tier->label() == "file")
    put.stamp.horizon = {0x0EDC'BA98'7654'3210};  // SQLite's ids end there
  put.targets = {collection("product"), entity("product", 7), key_named("prices"), tag("\r\n$-1")};
  REQUIRE(tier->put("shop", name(1), put) == StoreStatus::stored);
  for (const auto& reader : {tier, world.open()}) {
    const auto found = reader->get("shop", name(1));
    REQUIRE(found);
    CHECK(found->stamp == put.stamp);
    CHECK(found->stored == put.stored);
    CHECK(found->expires == put.expires);
    CHECK(found->targets == put.targets);
    CHECK(found->rows == put.rows);
  }
  CHECK_FALSE(tier->get("shop", name(2)));
  CHECK_FALSE(tier->get("other", name(1)));
  CHECK_FALSE(tier->label().empty());
  CHECK(tier->limits().max_value_bytes == 20'000);
}

TEMPLATE_TEST_CASE("tiers: a read of several names answers each of them", "[tiers]",
                   QUERYMARK_TIERS) {
  const TestType world;
  const auto tier = world.open();
  for (const int i : {1, 3, 4}) tier->put("shop", name(i), value(world, std::to_string(i)));
  std::array<TierRead, 5> wanted{};
  for (int i = 0; i < 4; ++i) wanted[static_cast<std::size_t>(i)].name = name(i);
  wanted[4].name = name(3);  // once more
  CHECK_FALSE(tier->read("shop", wanted));
  CHECK_FALSE(wanted[0].value);
  CHECK(text_in(wanted[1].value) == "1");
  CHECK_FALSE(wanted[2].value);
  CHECK(text_in(wanted[3].value) == "3");
  CHECK(text_in(wanted[4].value) == "3");
  CHECK_FALSE(tier->read("shop", {}));
  std::vector<TierRead> many(2'000);
  for (std::size_t i = 0; i < many.size(); ++i) many[i].name = name(static_cast<int>(i));
  CHECK_FALSE(tier->read("shop", many));
  CHECK(text_in(many[4].value) == "4");
  CHECK_FALSE(many[1'999].value);
}

TEMPLATE_TEST_CASE("tiers: a later stamp is never replaced by an earlier one (hard case 87)",
                   "[tiers]", QUERYMARK_TIERS) {
  const TestType world;
  const auto tier = world.open();
  // Above and below where the order of bytes, of signed and of decimal numbers differ.
  for (const auto& [low, high] : {std::pair<std::uint64_t, std::uint64_t>{9, 10},
                                  {0xFF, 0x100},
                                  {0x7FFF'FFFF, 0x8000'0000},
                                  {0x00FF'FFFF'FFFF'FFFF, 0x0100'0000'0000'0000}}) {
    const Digest under = name(static_cast<int>(low & 0xFFFF));
    CHECK(tier->put("shop", under, value(world, "later", high)) == StoreStatus::stored);
    CHECK(tier->put("shop", under, value(world, "earlier", low)) == StoreStatus::superseded);
    CHECK(text(*tier, under) == "later");
    CHECK(tier->put("shop", under, value(world, "as late", high)) == StoreStatus::stored);
    CHECK(text(*tier, under) == "as late");
    CHECK(tier->put("shop", under, value(world, "other epoch", low, {7, 9})) ==
          StoreStatus::stored);
    CHECK(text(*tier, under) == "other epoch");
    CHECK(tier->put("shop", under, value(world, "back", low)) == StoreStatus::stored);
    CHECK(tier->put("shop", under, value(world, "and on", high)) == StoreStatus::stored);
    CHECK(text(*tier, under) == "and on");
  }
}

TEMPLATE_TEST_CASE("tiers: of many who store at once the latest stamp stays", "[tiers]",
                   QUERYMARK_TIERS) {
  const TestType world;
  {
    std::vector<std::jthread> writers;
    for (std::uint64_t writer = 0; writer < 4; ++writer)
      writers.emplace_back([&world, writer] {
        const auto tier = world.open();
        for (std::uint64_t i = 0; i < 50; ++i) {
          const std::uint64_t horizon = 1 + (writer * 50 + i * 37) % 200;
          // A tier may drop what comes while others write, but must not keep the wrong one.
          while (tier->put("shop", name(1), value(world, std::to_string(horizon), horizon)) ==
                 StoreStatus::failed) {
          }
        }
      });
  }
  CHECK(text(*world.open(), name(1)) == "200");
}

TEMPLATE_TEST_CASE("tiers: what is too large or too old is not kept, and harms nothing", "[tiers]",
                   QUERYMARK_TIERS) {
  const TestType world;
  const auto tier = world.open();
  CHECK(tier->put("shop", name(1), value(world, std::string(10'000, 'x'))) == StoreStatus::stored);
  CHECK(tier->put("shop", name(1), value(world, std::string(30'000, 'x'), 6)) ==
        StoreStatus::oversize);
  CHECK(text(*tier, name(1)) == std::string(10'000, 'x'));
  SharedValue over = value(world, "over");
  over.expires = world.clock.wall_now();
  CHECK(tier->put("shop", name(2), over) == StoreStatus::expired);
  over.expires -= 1h;
  CHECK(tier->put("shop", name(2), over) == StoreStatus::expired);
  CHECK(text(*tier, name(2)) == "none");
}

TEMPLATE_TEST_CASE("tiers: values that are put together are kept as if one by one", "[tiers]",
                   QUERYMARK_TIERS) {
  const TestType world;
  const auto tier = world.open();
  REQUIRE(tier->put("shop", name(2), value(world, "later", 9)) == StoreStatus::stored);
  std::vector<SharedValue> values{value(world, "tea"), value(world, "earlier", 5),
                                  value(world, std::string(30'000, 'x')), value(world, "old"),
                                  value(world, "cup")};
  values[3].expires = world.clock.wall_now() - 1ms;
  std::vector<TierPut> puts;
  for (std::size_t i = 0; i < values.size(); ++i)
    puts.push_back({.name = name(static_cast<int>(i) + 1), .value = &values[i]});
  tier->put_many("shop", puts);
  CHECK(puts[0].status == StoreStatus::stored);
  CHECK(puts[1].status == StoreStatus::superseded);
  CHECK(puts[2].status == StoreStatus::oversize);
  CHECK(puts[3].status == StoreStatus::expired);
  CHECK(puts[4].status == StoreStatus::stored);
  const auto reader = world.open();
  CHECK(text(*reader, name(1)) == "tea");
  CHECK(text(*reader, name(2)) == "later");
  CHECK_FALSE(reader->get("shop", name(3)));
  CHECK_FALSE(reader->get("shop", name(4)));
  CHECK(text(*reader, name(5)) == "cup");
  tier->put_many("shop", {});
  // More than go at once.
  std::vector<TierPut> many(250);
  for (std::size_t i = 0; i < many.size(); ++i)
    many[i] = {.name = name(static_cast<int>(i)), .value = &values[0]};
  many[2].value = &values[1];
  tier->put_many("shop", many);
  for (std::size_t i = 0; i < many.size(); ++i) {
    CAPTURE(i);
    CHECK(many[i].status == (i == 2 ? StoreStatus::superseded : StoreStatus::stored));
    CHECK(text(*reader, many[i].name) == (i == 2 ? "later" : "tea"));
  }
}

TEMPLATE_TEST_CASE("tiers: what is removed is gone for everybody, and is counted", "[tiers]",
                   QUERYMARK_TIERS) {
  const TestType world;
  const auto tier = world.open();
  for (int i = 0; i < 5; ++i) tier->put("shop", name(i), value(world, "x"));
  tier->put("other", name(9), value(world, "x"));
  const std::vector<Digest> gone{name(0), name(2), name(2), name(7), name(9)};
  CHECK(tier->remove("shop", gone) == 2 * kCopies<TestType>);
  const auto other = world.open();
  CHECK(text(*other, name(0)) == "none");
  CHECK(text(*other, name(1)) == "x");
  CHECK(text(*other, name(2)) == "none");
  CHECK(other->get("other", name(9)));
  CHECK(tier->remove("shop", gone) == 0);
  CHECK(tier->remove("shop", {}) == 0);
}

TEMPLATE_TEST_CASE("tiers: namespaces of any text are kept apart", "[tiers]", QUERYMARK_TIERS) {
  const TestType world;
  const auto tier = world.open();
  const std::vector<std::string> namespaces{"shop",
                                            "shop:1",
                                            "a b",
                                            "{x}",
                                            "{}",
                                            "\r\nDEL x\r\n",
                                            "%3A",
                                            ":",
                                            "*?[",
                                            "\xC3\xA9",
                                            std::string(200, 'n'),
                                            "\x7F\x01",
                                            "$5\r\nshop"};
  for (std::size_t i = 0; i < namespaces.size(); ++i)
    REQUIRE(tier->put(namespaces[i], name(static_cast<int>(i)), value(world, namespaces[i])) ==
            StoreStatus::stored);
  for (std::size_t i = 0; i < namespaces.size(); ++i)
    for (const std::string& other : namespaces)
      CHECK(text_in(tier->get(other, name(static_cast<int>(i)))) ==
            (other == namespaces[i] ? other : "none"));
}

TEMPLATE_TEST_CASE("tiers: garbage is a miss and no failure, and is replaced", "[tiers]",
                   QUERYMARK_TIERS) {
  const TestType world;
  const auto tier = world.open();
  tier->put("shop", name(1), value(world, "one"));
  tier->put("shop", name(2), value(world, "two"));
  const std::string good = test::encoded({"shop", name(1)}, value(world, "one"));
  const std::string others = test::encoded({"shop", name(2)}, value(world, "one"));
  for (const std::string& bytes :
       {std::string(), std::string("x"), std::string(5'000, '\0'), good.substr(0, good.size() / 2),
        others, std::string(100'000, '\xFF'), good + "more"}) {
    world.corrupt("shop", name(1), bytes);
    std::array<TierRead, 2> wanted{TierRead{name(1), {}}, TierRead{name(2), {}}};
    CHECK_FALSE(tier->read("shop", wanted));
    CHECK_FALSE(wanted[0].value);
    CHECK(text_in(wanted[1].value) == "two");
    CHECK(tier->put("shop", name(1), value(world, "again", 9)) == StoreStatus::stored);
    CHECK(text(*tier, name(1)) == "again");
  }
}

TEMPLATE_TEST_CASE("tiers: a failure is told from a miss, and ends when the tier is back",
                   "[tiers]", QUERYMARK_TIERS) {
  TestType world;
  const auto tier = world.open();
  tier->put("shop", name(1), value(world, "one"));
  world.break_it();
  TierRead wanted{name(1), {}};
  const auto failure = tier->read("shop", {&wanted, 1});
  REQUIRE(failure);
  CHECK(failure->tried);
  CHECK_FALSE(failure->cause.empty());
  CHECK_FALSE(wanted.value);
  CHECK_FALSE(tier->get("shop", name(1)));
  CHECK(tier->put("shop", name(1), value(world, "two")) == StoreStatus::failed);
  const std::array<Digest, 1> one{name(1)};
  CHECK_THROWS_AS(tier->remove("shop", one), Error);
  world.mend();
  world.clock.advance(1min);  // past any pause
  CHECK_FALSE(tier->read("shop", {&wanted, 1}));
  CHECK(tier->put("shop", name(1), value(world, "three")) == StoreStatus::stored);
  CHECK(text(*tier, name(1)) == "three");
  CHECK(tier->remove("shop", one) == kCopies<TestType>);
}

TEMPLATE_TEST_CASE("tiers: the newest stamp is named, by those who can, for each epoch", "[tiers]",
                   QUERYMARK_TIERS) {
  const TestType world;
  const auto tier = world.open();
  CHECK_FALSE(tier->newest(kEpoch));
  SharedValue later = value(world, "later", 9);
  later.stamp.witness = {0xF123'4567'89AB'CDEF};
  tier->put("shop", name(1), later);
  tier->put("shop", name(2), value(world, "earlier", 5));
  tier->put("shop", name(3), value(world, "elsewhere", 99, {1, 1}));
  const auto newest = world.open()->newest(kEpoch);
  CHECK(newest == (tier->names_newest() ? std::optional(later.stamp) : std::nullopt));
}

TEMPLATE_TEST_CASE("tiers: a lease is granted to one at a time, by those who grant some", "[tiers]",
                   QUERYMARK_TIERS) {
  TestType world;
  const auto tier = world.open();
  const auto another = world.open();
  CHECK(tier->grants_leases() == another->grants_leases());
  if (!tier->grants_leases()) {
    CHECK(tier->lease("shop", name(1), "mine", 1h) == LeaseAnswer::failed);
    return;
  }
  REQUIRE(tier->lease("shop", name(1), "mine", 1h) == LeaseAnswer::granted);
  CHECK(another->lease("shop", name(1), "theirs", 1h) == LeaseAnswer::taken);
  CHECK(another->lease("shop", name(2), "theirs", 1h) == LeaseAnswer::granted);
  CHECK(another->lease("other", name(1), "theirs", 1h) == LeaseAnswer::granted);
  CHECK_FALSE(tier->get("shop", name(1)));  // is no value
  REQUIRE(tier->put("shop", name(1), value(world, "tea")) == StoreStatus::stored);
  another->release("shop", name(1), "theirs");  // is not theirs
  CHECK(another->lease("shop", name(1), "theirs", 1h) == LeaseAnswer::taken);
  tier->release("shop", name(1), "mine");
  CHECK(text(*tier, name(1)) == "tea");
  CHECK(another->lease("shop", name(1), "theirs", 1h) == LeaseAnswer::granted);
  world.break_it();
  CHECK(tier->lease("shop", name(3), "mine", 1h) == LeaseAnswer::failed);
  tier->release("shop", name(1), "theirs");  // ends by itself
  world.mend();
}

// Reads that are no older than a write, or than their call, on every database. Two processes in
// these tests share nothing but the database.

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "support/rounds.hpp"
#include "support/rows.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

template <class Process>
auto price_query(Process& process, const char* sql) {
  return process.db.template prepare<double>(sql)
      .tag([](std::int64_t id) { return entity("product", id); })
      .ttl(1h);
}

}  // namespace

TEMPLATE_TEST_CASE("consistency: a strong read includes every write that has returned elsewhere",
                   "[consistency]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process reader(world.shop);
  typename TestType::Process writer(world.shop);
  const auto price = price_query(reader, TestType::kPriceOf);
  const auto strong = price.strong();
  for (int i = 1; i <= rounds(100); ++i) {
    static_cast<void>(price(std::int64_t{1}));
    writer.set_price(1, i);
    REQUIRE(strong.fetch_one(std::int64_t{1}) == i);
  }
  CHECK(strong(std::int64_t{1}).outcome().is_hit());
}

TEMPLATE_TEST_CASE("consistency: a read at least as new as a receipt includes its write",
                   "[consistency]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process reader(world.shop);
  typename TestType::Process writer(world.shop);
  const auto price = price_query(reader, TestType::kPriceOf);
  for (int i = 1; i <= rounds(100); ++i) {
    static_cast<void>(price(std::int64_t{1}));
    const auto receipt = Receipt::parse(writer.set_price(1, i).str());
    REQUIRE(receipt);
    REQUIRE(price.at_least(*receipt).fetch_one(std::int64_t{1}) == i);
    REQUIRE(only(reader.price(2)) == 7.0);
  }
}

TEMPLATE_TEST_CASE("consistency: many strong readers never see less than what was acknowledged",
                   "[consistency]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process reader(world.shop);
  typename TestType::Process writer(world.shop);
  writer.set_price(1, 1);
  const auto strong = price_query(reader, TestType::kPriceOf).strong();
  std::atomic<int> acknowledged{1};
  std::atomic<bool> stop{false};
  std::atomic<int> stale{0};
  std::vector<std::jthread> readers;
  for (int i = 0; i < 4; ++i)
    readers.emplace_back([&] {
      while (!stop) {
        const int before = acknowledged;
        if (strong.fetch_one(std::int64_t{1}) < before) ++stale;
      }
    });
  for (int i = 2; i <= rounds(300); ++i) {
    writer.set_price(1, i);
    acknowledged = i;
  }
  stop = true;
  readers.clear();
  CHECK(stale == 0);
}

TEMPLATE_TEST_CASE("consistency: what another history's receipt asks for is the database's state",
                   "[consistency]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process reader(world.shop);
  typename TestType::Process writer(world.shop);
  const auto price = price_query(reader, TestType::kPriceOf);
  static_cast<void>(price(std::int64_t{1}));
  Receipt receipt = writer.set_price(1, 4.0);
  receipt.epoch = Epoch::random();
  CHECK(price.at_least(receipt).fetch_one(std::int64_t{1}) == 4.0);
  receipt.namespace_name = "another";
  CHECK_THROWS_AS(price.at_least(receipt)(std::int64_t{1}), ConfigError);
}

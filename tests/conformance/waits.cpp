// Waits for shared targets and for everybody, on every database, with a worker that is driven step
// by step.

#include <catch2/catch.hpp>
#include <future>

#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

// A target that takes what it is not told to refuse.
struct Tier final : Applier {
  [[nodiscard]] std::string name() const override { return "tier"; }
  void apply(Epoch /*epoch*/, std::span<const SharedInvalidation> invalidations) override {
    for (const SharedInvalidation& each : invalidations)
      if (refused && each.target == *refused) throw std::runtime_error("not that one");
  }
  void control(Epoch /*epoch*/) override {}
  std::optional<Target> refused;
};

auto log_of(const SqliteWorld& world) { return sqlite::Log(world.address(), "shop"); }
#ifdef QUERYMARK_TEST_POSTGRES
auto log_of(const PostgresWorld& world) { return postgres::Log(world.address(), "shop"); }
#endif

template <class World>
struct Drained {
  World world;
  typename World::Process process{world.shop};
  decltype(log_of(world)) log = log_of(world);
  std::unique_ptr<LogClaims> claims = log.claims();
  std::unique_ptr<Deliveries> deliveries = log.deliveries();
  Tier tier;
  Worker worker;

  explicit Drained(WorkerOptions options = {})
      : worker({log, *claims, *deliveries}, tier, std::move(options)) {
    static_cast<void>(worker.run_once());  // the flush with which it begins
  }
  [[nodiscard]] WaitStatus look(const Receipt& receipt) {
    return process.db.wait(receipt, Wait::shared({"tier"}, 0s)).status;
  }
};

}  // namespace

TEMPLATE_TEST_CASE("waits: a shared target has a write once its worker has applied it", "[waits]",
                   QUERYMARK_WORLDS) {
  Drained<TestType> of;
  const Receipt receipt = of.process.set_price(1, 4.0);
  CHECK(of.look(receipt) == WaitStatus::timed_out);
  auto waiter = std::async(std::launch::async, [&] {
    return of.process.db.wait(receipt, Wait::shared({"tier"}, 1min)).status;
  });
  static_cast<void>(of.worker.run_once());
  CHECK(waiter.get() == WaitStatus::satisfied);
  CHECK(of.look(receipt) == WaitStatus::satisfied);
  CHECK(of.process.db.wait(receipt, Wait::shared({"tier", "nobody"}, 1min)).status ==
        WaitStatus::degraded);
}

TEMPLATE_TEST_CASE(
    "waits: what a target refuses for good is degraded, what goes by it is satisfied", "[waits]",
    QUERYMARK_WORLDS) {
  Drained<TestType> of([] {
    WorkerOptions options;
    options.retry.max_attempts = 1;
    return options;
  }());
  of.tier.refused = entity("product", 1);
  const Receipt refused = of.process.set_price(1, 4.0);
  const Receipt taken = of.process.set_price(2, 5.0);
  for (int rounds = 0; rounds < 3; ++rounds) static_cast<void>(of.worker.run_once());
  CHECK(of.look(refused) == WaitStatus::degraded);
  CHECK(of.look(taken) == WaitStatus::satisfied);
}

TEMPLATE_TEST_CASE("waits: foreign receipts are refused by whatever is waited for", "[waits]",
                   QUERYMARK_WORLDS) {
  Drained<TestType> of;
  const Receipt receipt = of.process.set_price(1, 4.0);
  const auto refused = [&](const Receipt& bad) {
    return of.process.db.wait(bad, Wait::shared({"tier"}, 1h)).status == WaitStatus::refused &&
           of.process.db.wait(bad, Wait::local(1h)).status == WaitStatus::refused;
  };
  Receipt bad = receipt;
  bad.epoch = Epoch::random();
  CHECK(refused(bad));
  bad = receipt;
  bad.position.value += 1000;
  CHECK(refused(bad));
  bad.position.value = ~std::uint64_t{0};
  CHECK(refused(bad));
  bad = receipt;
  bad.namespace_name = "another";
  CHECK(refused(bad));
}

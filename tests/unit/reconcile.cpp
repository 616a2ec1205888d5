#include "querymark/database/reconcile.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "querymark/testing/memory_database.hpp"
#include "support/errors.hpp"
#include "unit/read_fixture.hpp"

// What a shared tier holds of a call, compared with the database: each verdict, and what it leaves behind.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using testing::Call;
using testing::MemoryDatabase;
using Verdicts = std::vector<Reconciled>;
using enum Reconciled;

constexpr const char* kPrice = "select price where id = $1";

// A tier that may be down, with another one before it that wants copies of what is found.
struct Layers final : test::FakeTier {
  std::optional<TierFailure> read(std::string_view namespace_name,
                                  std::span<TierRead> wanted) noexcept override {
    if (down) return TierFailure{.cause = "down"};
    auto failure = FakeTier::read(namespace_name, wanted);
    for (TierRead& one : wanted)
      if (one.value) one.refills.push_back({.tier = &before});
    return failure;
  }
  test::FakeTier before;
  bool down = false;
};

// An application whose database holds a price, and a tier between them.
struct Compared {
  Compared() {
    application.on_query(kPrice, [this](const Call&) {
      // What it reads is older than what happens meanwhile.
      ResultSet rows = test::number(price);
      if (during_load) std::exchange(during_load, nullptr)();
      return rows;
    });
    application.attach(std::shared_ptr<SharedTier>(tier));
  }
  [[nodiscard]] Query asking(std::int64_t id) {
    return application.query(kPrice, id).tag(tag("prices")).ttl(1h);
  }
  [[nodiscard]] std::int64_t read(std::int64_t id) {
    return asking(id).fetch()[0][0].as<std::int64_t>();
  }
  [[nodiscard]] std::vector<ReconciledCall> told(const std::vector<KnownCall>& calls,
                                                 bool only_look = false) {
    MemoryDatabase own(memory, application);
    return reconcile(own, tier, calls, only_look);
  }
  [[nodiscard]] Verdicts verdicts(const std::vector<std::int64_t>& ids, bool only_look = false) {
    std::vector<KnownCall> calls;
    for (const std::int64_t id : ids)
      calls.push_back({.sql = kPrice, .parameters = Parameters(id)});
    Verdicts all;
    for (const ReconciledCall& one : told(calls, only_look)) {
      CHECK(one.call == all.size());
      all.push_back(one.became);
    }
    return all;
  }

  ManualClock clock;
  std::int64_t price = 5;
  std::function<void()> during_load;  // once, in the next one
  std::shared_ptr<Layers> tier = std::make_shared<Layers>();
  Cache applications_memory{{.memory_bytes = 8U << 20U, .clock = &clock}};
  MemoryDatabase application{applications_memory};
  Cache memory{{.memory_bytes = 8U << 20U, .clock = &clock}};
};

const std::vector<KnownCall> kFirst{{.sql = kPrice, .parameters = Parameters(std::int64_t{1})}};

}  // namespace

TEST_CASE("reconcile: what the tier has agrees, and what it lacks is put nowhere", "[reconcile]") {
  Compared it;
  CHECK(it.read(1) == 5);
  CHECK(it.verdicts({1, 2, 1, 2}) == Verdicts{agrees, absent, agrees, absent});
  CHECK(it.tier->values.size() == 1);
  CHECK(it.tier->before.values.empty());
  CHECK_THROWS_AS(reconcile(it.application, nullptr, kFirst), ConfigError);
}

TEST_CASE("reconcile: what is wrong is invalidated, and gone from the tier, unless it only looks",
          "[reconcile]") {
  Compared it;
  CHECK(it.read(1) == 5);
  CHECK(it.read(2) == 5);
  it.price = 6;  // and nobody says so
  CHECK(it.verdicts({1, 1}, true) == Verdicts{wrong, wrong});
  it.application.catch_up();
  CHECK(it.read(1) == 5);
  CHECK(it.tier->values.size() == 2);
  CHECK(it.verdicts({1, 1}) == Verdicts{wrong, wrong});
  CHECK(it.tier->values.size() == 1);
  it.application.catch_up();
  CHECK(it.read(1) == 6);
  CHECK(it.read(2) == 5);  // nobody has asked about it
}

TEST_CASE("reconcile: what a write has made old meanwhile is excused, and left to its worker",
          "[reconcile]") {
  Compared it;
  CHECK(it.read(1) == 5);
  it.price = 6;
  it.during_load = [&] {
    it.application.write([](Transaction& tx) { tx.invalidate(tag("prices")); });
  };
  CHECK(it.verdicts({1}) == Verdicts{excused});
  CHECK(it.tier->values.size() == 1);
}

TEST_CASE("reconcile: what an invalidation reached before it is absent", "[reconcile]") {
  Compared it;
  CHECK(it.read(1) == 5);
  it.price = 6;
  it.application.write([](Transaction& tx) { tx.invalidate(tag("prices")); });
  CHECK(it.verdicts({1}) == Verdicts{absent});
}

TEST_CASE("reconcile: a tier without an answer is no tier that has nothing", "[reconcile]") {
  Compared it;
  it.tier->down = true;
  it.during_load = [&] { it.tier->down = false; };
  const std::vector<ReconciledCall> all =
      it.told({kFirst[0], {.sql = kPrice, .parameters = Parameters(std::int64_t{2})}});
  CHECK(all[0].became == failed);
  CHECK(all[0].problem == "the tier has no answer: down");
  CHECK(all[0].parameters == "1");
  CHECK(all[1].became == absent);
  CHECK(all[1].problem.empty());
}

TEST_CASE("reconcile: what the database refuses fails alone, and all where it is gone",
          "[reconcile]") {
  Compared it;
  CHECK(it.read(1) == 5);
  CHECK(it.read(2) == 5);
  it.during_load = [] { throw Error("no such table"); };
  CHECK(it.verdicts({1, 2}) == Verdicts{failed, agrees});
  it.during_load = [] { throw Error("no such table"); };
  CHECK_THAT(it.told(kFirst)[0].problem, Contains("no such table"));
  it.during_load = [] { throw Error("gone", {.connection_lost = true}); };
  CHECK_THROWS_WITH(it.told(kFirst), Contains("gone"));
}

TEST_CASE("reconcile: what memory can't vouch for is neither wrong nor excused", "[reconcile]") {
  Compared it;
  CHECK(it.read(1) == 5);
  it.price = 6;
  it.during_load = [&] { it.memory.set_enabled(false); };
  const ReconciledCall one = it.told(kFirst)[0];
  CHECK(one.became == failed);
  CHECK_THAT(one.problem, Contains("nobody can tell"));
  CHECK(it.tier->values.size() == 1);
}

TEST_CASE("reconcile: nor is what is too large for it", "[reconcile]") {
  Compared it;
  const char* const sql = "select text";
  it.application.on_query(sql, [&](const Call&) {
    return testing::Table({"text"}).row(std::string(6U << 20U, it.price == 5 ? 'a' : 'b')).rows();
  });
  CHECK(it.application.query(sql).ttl(1h).fetch().size() == 1);
  REQUIRE(it.tier->values.size() == 1);
  CHECK(it.told({{.sql = sql}})[0].became == agrees);
  it.price = 6;
  const ReconciledCall one = it.told({{.sql = sql}})[0];
  CHECK(one.became == failed);
  CHECK_THAT(one.problem, Contains("memory did not keep it"));
}

TEST_CASE("reconcile: an old value counts, and one of another scope is another", "[reconcile]") {
  Compared it;
  CHECK(it.asking(1).scope("tenant").fetch().size() == 1);
  it.clock.advance(30min);
  CHECK(it.verdicts({1}) == Verdicts{absent});
  std::vector<KnownCall> scoped = kFirst;
  scoped[0].scope = "tenant";
  CHECK(it.told(scoped)[0].became == agrees);
}

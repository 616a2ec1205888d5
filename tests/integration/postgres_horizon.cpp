// A transaction that stays open somewhere in the cluster keeps every horizon where it is (hard case
// 20), and one that commits late is still seen.

#include <catch2/catch.hpp>
#include <pqxx/nontransaction>
#include <pqxx/transaction>

#include "querymark/deliver/worker.hpp"
#include "querymark/file_tier/file_tier.hpp"
#include "support/patient_tier.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

// Keeps a transaction with an id open until `end()`.
struct Holder {
  PgShop elsewhere;
  pqxx::connection connection;
  bool prepared;

  Holder(const std::string& url, bool in_two_phases)
      : connection(url.empty() ? elsewhere.url() : url), prepared(in_two_phases) {
    run("begin; select pg_current_xact_id()");
    if (prepared) run("prepare transaction 'holder'");
  }
  ~Holder() {
    try {
      end();
    } catch (const std::exception&) {  // it has ended
    }
  }
  void run(const std::string& sql) { pqxx::nontransaction(connection).exec(sql); }
  void end() { run(prepared ? "rollback prepared 'holder'" : "rollback"); }
};

}  // namespace

TEST_CASE(
    "postgres horizon: while a transaction stays open anywhere, shared tiers do not serve what was "
    "written since, memory does, and the statistics show it (hard case 20)",
    "[horizon]") {
  const PgShop shop;
  const TempDir dir;
  const auto attached = [&](PgProcess& process) -> PgProcess& {
    process.db.attach(patient_tier(dir.file("tier")));
    return process;
  };
  PgProcess process(shop);
  attached(process);
  static_cast<void>(process.price(2));
  process.db.catch_up();
  CHECK(process.db.stats().horizon_age == 0s);

  const std::string where = GENERATE("same database", "another database", "prepared elsewhere");
  CAPTURE(where);
  Holder holder(where == "same database" ? shop.url() : "", where == "prepared elsewhere");
  const Receipt receipt = process.set_price(1, 4.0);
  CHECK(only(process.price(1)) == 4.0);
  CHECK(process.price(1).outcome().origin == Origin::memory);
  process.db.catch_up();
  CHECK(process.db.stats().horizon_age > 0s);

  PgProcess other(shop);
  attached(other);
  CHECK(other.db.wait(receipt, Wait::local(10s)).satisfied());  // visible, whatever the horizon
  const auto fresh = other.price(1);
  CHECK(fresh[0] == 4.0);
  CHECK(fresh.outcome().origin == Origin::database);
  CHECK(other.price(1).outcome().origin == Origin::memory);
  CHECK(other.price(2).outcome().origin == Origin::shared_tier);  // not written since

  holder.end();
  process.set_price(1, 5.0);
  process.db.catch_up();
  CHECK(process.db.stats().horizon_age == 0s);
  CHECK(only(process.price(1)) == 5.0);
  PgProcess newcomer(shop);
  attached(newcomer);
  const auto shared = newcomer.price(1);
  CHECK(shared[0] == 5.0);
  CHECK(shared.outcome().origin == Origin::shared_tier);
}

TEST_CASE(
    "postgres horizon: beside a transaction that is held open a worker drains, and no dead rows "
    "grow in the log",
    "[horizon]") {
  struct Target final : Applier {
    [[nodiscard]] std::string name() const override { return "tier"; }
    void apply(Epoch /*epoch*/, std::span<const SharedInvalidation> invalidations) override {
      applied += invalidations.size();
    }
    std::size_t applied = 0;
  } target;
  const PgShop shop;
  PgProcess process(shop);
  postgres::Log log(shop.url(), "shop");
  const auto claims = log.claims();
  const auto deliveries = log.deliveries();
  Worker worker({log, *claims, *deliveries}, target);
  CHECK(worker.run_once().flushed);
  pqxx::connection keeper(shop.url());
  pqxx::transaction<pqxx::isolation_level::repeatable_read> held(keeper);
  held.exec("select count(*) from querymark.log");
  target.applied = 0;
  constexpr int kRounds = 100;
  for (int i = 0; i < kRounds; ++i) {
    process.set_price(1, i);
    CHECK(worker.run_once().applied == 1);
  }
  CHECK(target.applied == kRounds);
  CHECK(worker.run_once().idle());
  shop.execute("create extension pgstattuple");
  CHECK(shop.number("select tuple_count from pgstattuple('querymark.log')") == kRounds);
  CHECK(shop.number("select dead_tuple_count from pgstattuple('querymark.log')") == 0);
  CHECK(held.exec("select count(*) from querymark.log")[0][0].as<int>() == 0);
}

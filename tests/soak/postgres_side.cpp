// What an agent does on PostgreSQL by connections of its own, and what only PostgreSQL has.

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <pqxx/transaction>
#include <thread>

#include "querymark/redis/redis_feed.hpp"
#include "soak/agent.hpp"
#include "soak/callers.hpp"

namespace querymark::test::soak {
namespace {

using namespace std::chrono_literals;

using Connection = OwnConnection<pqxx::connection>;

std::int64_t raised(pqxx::transaction_base& tx, Table table, std::int64_t id) {
  return tx
      .exec(fmt::format("update {} set v = v + 1 where id = {} returning v", name_of(table),
                        id))[0][0]
      .as<std::int64_t>();
}

class Own {
 public:
  explicit Own(pqxx::connection& connection) : work_(connection) {}
  std::int64_t raised(Table table, std::int64_t id) { return soak::raised(work_, table, id); }
  [[nodiscard]] pqxx::work& callers() noexcept { return work_; }
  void commit() { work_.commit(); }

 private:
  pqxx::work work_;
};

// By the functions that the schema offers to writers without the library.
auto by_sql(Agent& agent, const std::shared_ptr<Connection>& own) {
  return [&agent, own](Lots& lots, Tally& tally) {
    own->use([&](pqxx::connection& connection) {
      const std::int64_t id = lots.below(kIds);
      pqxx::work tx(connection);
      const std::int64_t version = raised(tx, Table::item, id);
      tx.exec(fmt::format(
          "select querymark.invalidate('{0}', 'entity', querymark.target('item', '{1}')), "
          "querymark.invalidate('{0}', 'collection', querymark.target('grp', '{2}'))",
          kNamespace, id, group_of(id)));
      tx.commit();
      agent.wrote_past_it(tally, Table::item, id, version);
    });
  };
}

auto borrowed(Agent& agent, const std::shared_ptr<Connection>& own) {
  return [&agent, own](Lots& lots, Tally& tally) {
    own->use([&](pqxx::connection& connection) {
      const std::int64_t id = lots.below(kIds);
      const Due due = agent.judge.row(Sees::own, Table::item, id);
      const Due automatic = agent.judge.row(Sees::own, Table::auto_item, id);
      pqxx::work tx(connection);
      auto borrowed = agent.db.borrow(tx);
      const auto rows = borrowed.query(kValue, id).tag(item_tag(id)).fetch_as<std::int64_t>();
      agent.judge.judge(tally, due, rows[0], rows.outcome());
      const auto found =
          borrowed.query(kAutomaticValue, id).tagging(Tags::automatic).fetch_as<std::int64_t>();
      agent.judge.judge(tally, automatic, found[0], found.outcome());
    });
  };
}

// In two phases: commits become visible in another session than the one that wrote.
auto in_two_phases(Agent& agent, const std::shared_ptr<Connection>& own) {
  return [&agent, own](Lots& lots, Tally& tally) {
    own->use([&](pqxx::connection& connection) {
      const std::int64_t id = lots.below(kIds);
      const std::string name = fmt::format("{}_{}", ::getpid(), lots.below(1'000'000'000'000));
      pqxx::nontransaction plain(connection);
      plain.exec("begin");
      const std::int64_t version = raised(plain, Table::auto_item, id);
      plain.exec("prepare transaction '" + name + '\'');
      std::this_thread::sleep_for(1us * lots.below(20'000));
      plain.exec("commit prepared '" + name + '\'');
      agent.wrote_past_it(tally, Table::auto_item, id, version);
    });
  };
}

auto isolated(Agent& agent) {
  return [&agent](Lots& lots, Tally& tally) {
    const std::int64_t id = lots.below(kIds);
    std::int64_t version = 0;
    const auto level =
        lots.one_in(2) ? postgres::Isolation::serializable : postgres::Isolation::repeatable_read;
    agent.db.write(
        [&](Transaction& tx) {
          version = number_of(tx, kRaise, id);
          agent.declare(tx, id, lots);
        },
        {.isolation = level, .retries = 5});
    agent.wrote(tally, Table::item, id, version);
  };
}

}  // namespace

std::unique_ptr<Database> open(const Setup& setup, Cache& cache) {
  postgres::Options options;
  options.namespace_name = kNamespace;
  options.max_lag = Setup::kMaxLag;
  options.connections = 6;
  options.load_budget = {.loads = 8, .queue = 500};
  if (!setup.feed.empty()) options.feed = std::make_shared<RedisFeed>(setup.feed);
  options.replica_url = setup.standby;
  if (!setup.proxy.empty()) options.direct_url = setup.address;
  return std::make_unique<Database>(setup.proxy.empty() ? setup.address : setup.proxy, cache,
                                    options);
}

Actions of_callers(Agent& agent) {
  const auto own = std::make_shared<Connection>(
      [url = agent.setup.address] { return std::make_unique<pqxx::connection>(url); });
  Actions actions;
  actions.push_back({"write of a stranger", 4, stranger<Own>(agent, own)});
  actions.push_back({"write of a stranger, by SQL", 2, by_sql(agent, own)});
  actions.push_back({"write, staged", 4, staged<Own>(agent, own)});
  actions.push_back({"write in two phases", 2, in_two_phases(agent, own)});
  actions.push_back({"write, isolated", 2, isolated(agent)});
  actions.push_back({"borrowed", 3, borrowed(agent, own)});
  return actions;
}

}  // namespace querymark::test::soak

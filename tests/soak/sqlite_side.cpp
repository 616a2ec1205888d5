// What an agent does on SQLite by connections of its own.

#include <SQLiteCpp/SQLiteCpp.h>

#include <chrono>

#include "soak/agent.hpp"

namespace querymark::test::soak {
namespace {

using namespace std::chrono_literals;

// One thread's plain connection; made anew after a failure, in which it may be anything.
class Connection {
 public:
  explicit Connection(std::string path) : path_(std::move(path)) {}

  template <class Function>
  void use(Function&& function) {
    if (!connection_)
      connection_ = std::make_unique<SQLite::Database>(path_, SQLite::OPEN_READWRITE, 5000);
    try {
      function(*connection_);
    } catch (...) {
      connection_.reset();
      throw;
    }
  }

 private:
  std::string path_;
  std::unique_ptr<SQLite::Database> connection_;
};

std::int64_t raised(SQLite::Database& connection, Table table, std::int64_t id) {
  SQLite::Statement statement(connection, table == Table::item ? kRaise : kRaiseAutomatic);
  statement.bind(1, id);
  statement.executeStep();
  const std::int64_t version = statement.getColumn(0).getInt64();
  while (statement.executeStep()) {
  }
  return version;
}

auto stranger(Agent& agent, const std::shared_ptr<Connection>& own) {
  return [&agent, own](Lots& lots, Tally& tally) {
    own->use([&](SQLite::Database& connection) {
      const std::int64_t id = lots.below(kIds);
      SQLite::Transaction tx(connection, SQLite::TransactionBehavior::IMMEDIATE);
      const std::int64_t version = raised(connection, Table::auto_item, id);
      tx.commit();
      agent.wrote_past_it(tally, Table::auto_item, id, version);
    });
  };
}

auto staged(Agent& agent, const std::shared_ptr<Connection>& own) {
  return [&agent, own](Lots& lots, Tally& tally) {
    own->use([&](SQLite::Database& connection) {
      const std::int64_t id = lots.below(kIds);
      SQLite::Transaction tx(connection, SQLite::TransactionBehavior::IMMEDIATE);
      const std::int64_t version = raised(connection, Table::item, id);
      IntentBatch intents;
      intents.add(item_tag(id)).add(group_tag(group_of(id)));
      Staged staged = agent.db.stage(connection, intents);
      tx.commit();
      if (lots.one_in(2)) {
        staged.committed();
        agent.wrote(tally, Table::item, id, version);
      } else {
        agent.wrote_past_it(tally, Table::item, id, version);
      }
    });
  };
}

auto borrowed(Agent& agent, const std::shared_ptr<Connection>& own) {
  return [&agent, own](Lots& lots, Tally& tally) {
    own->use([&](SQLite::Database& connection) {
      const std::int64_t id = lots.below(kIds);
      sqlite::Borrowed borrowed = agent.db.borrow(connection);
      const Due due = agent.judge.row(Sees::own, Table::item, id);
      const auto rows = borrowed.query(kValue, id).tag(item_tag(id)).fetch_as<std::int64_t>();
      agent.judge.judge(tally, due, rows[0], rows.outcome());
      const Due automatic = agent.judge.row(Sees::own, Table::auto_item, id);
      const auto found =
          borrowed.query(kAutomaticValue, id).tagging(Tags::automatic).fetch_as<std::int64_t>();
      agent.judge.judge(tally, automatic, found[0], found.outcome());
    });
  };
}

}  // namespace

std::unique_ptr<Database> open(const Setup& setup, Cache& cache) {
  sqlite::Options options;
  options.namespace_name = kNamespace;
  options.max_lag = Setup::kMaxLag;
  options.synchronous = sqlite::Synchronous::normal;
  options.load_budget = {.loads = 8, .queue = 500};
  return std::make_unique<Database>(setup.address, cache, options);
}

Actions of_callers(Agent& agent) {
  const auto own = std::make_shared<Connection>(agent.setup.address);
  Actions actions;
  actions.push_back({"write of a stranger", 4, stranger(agent, own)});
  actions.push_back({"write, staged", 4, staged(agent, own)});
  actions.push_back({"borrowed", 2, borrowed(agent, own)});
  return actions;
}

}  // namespace querymark::test::soak

// What an agent does on SQLite by connections of its own.

#include <SQLiteCpp/SQLiteCpp.h>

#include "soak/agent.hpp"
#include "soak/callers.hpp"

namespace querymark::test::soak {
namespace {

using Connection = OwnConnection<SQLite::Database>;

class Own {
 public:
  explicit Own(SQLite::Database& connection)
      : connection_(connection), transaction_(connection, SQLite::TransactionBehavior::IMMEDIATE) {}

  std::int64_t raised(Table table, std::int64_t id) {
    SQLite::Statement statement(connection_, table == Table::item ? kRaise : kRaiseAutomatic);
    statement.bind(1, id);
    statement.executeStep();
    const std::int64_t version = statement.getColumn(0).getInt64();
    while (statement.executeStep()) {
    }
    return version;
  }
  [[nodiscard]] SQLite::Database& callers() noexcept { return connection_; }
  void commit() { transaction_.commit(); }

 private:
  SQLite::Database& connection_;
  SQLite::Transaction transaction_;
};

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
  const auto own = std::make_shared<Connection>([path = agent.setup.address] {
    return std::make_unique<SQLite::Database>(path, SQLite::OPEN_READWRITE, 5000);
  });
  Actions actions;
  actions.push_back({"write of a stranger", 4, stranger<Own>(agent, own)});
  actions.push_back({"write, staged", 4, staged<Own>(agent, own)});
  actions.push_back({"borrowed", 2, borrowed(agent, own)});
  return actions;
}

}  // namespace querymark::test::soak

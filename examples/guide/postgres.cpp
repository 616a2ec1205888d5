// What docs/using.md quotes, on PostgreSQL: guide_postgres URL. Runs as a test, on a database of its
// own.

#include <fmt/format.h>
#include <querymark/postgres/postgres.hpp>
#include <querymark/querymark.hpp>

#include <cstdlib>
#include <pqxx/connection>
#include <pqxx/transaction>
#include <stdexcept>

namespace qm = querymark;
using namespace std::chrono_literals;

// [types]
struct Cents {
  std::int64_t value = 0;
};
template <>
struct querymark::ParameterTraits<Cents> {  // as a parameter
  static ParameterView view(const Cents& cents) { return ParameterView::int64(cents.value); }
};
template <>
struct querymark::FieldTraits<Cents> {  // out of a column
  static Cents read(const Field& field) { return {field.as<std::int64_t>()}; }
};
struct Price {  // a row: an aggregate whose members take the columns in order
  std::int64_t id;
  Cents price;
};
// [/types]

// [list]
qm::Rows<Price> prices(qm::Database& db, const std::vector<std::int64_t>& ids) {
  return db.query("select id, price from product where id = any($1) order by id", ids)
      .tag(qm::collection("product"))
      .fetch_as<Price>();
}
// [/list]

// [tenants]
// Row-level security by a setting: one Database for all tenants, results of each apart.
std::int64_t invoices(qm::Database& db, const std::string& tenant) {
  return db.with({{"app.tenant", tenant}})
      .query("select count(*) from invoice")
      .tag(qm::collection("invoice"))
      .fetch_value<std::int64_t>();
}
// [/tenants]

// [own_transaction]
// An application that has connections of its own: intents in its transaction, committed with it.
void with_own_connection(qm::postgres::Database& db, pqxx::connection& connection) {
  pqxx::work transaction(connection);
  transaction.exec("update product set price = 120 where id = 1");
  qm::IntentBatch intents("price list");
  intents.add(qm::entity("product", 1)).add(qm::collection("product"));
  qm::Staged staged = db.stage(transaction, intents);
  transaction.commit();
  staged.committed();  // this process knows at once; without it, a moment later
}
// [/own_transaction]

// [borrow]
// Reads on a connection of the application's own, served from what all others have loaded.
std::size_t with_own_session(qm::postgres::Database& db, pqxx::connection& connection) {
  pqxx::work transaction(connection);
  auto own = db.borrow(transaction);
  return own.query("select id, price from product").tag(qm::collection("product")).fetch().size();
}
// [/borrow]

// [retries]
// Serialization failures and deadlocks are repeated as often as you say; the function must allow it.
void transfer(qm::postgres::Database& db) {
  db.write(
      [](auto& tx) {
        tx.execute("update product set price = price + 1 where id = $1", 1);
        tx.execute("update product set price = price - 1 where id = $1", 2);
        tx.invalidate(qm::collection("product"));
      },
      {.isolation = qm::postgres::Isolation::serializable, .retries = 5});
}
// [/retries]

namespace {

void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

void run(const std::string& url) {
  qm::postgres::migrate(url);
  qm::Cache cache{{.memory_bytes = 16 << 20}};
  qm::postgres::Database db{url, cache, {.namespace_name = "shop"}};
  db.write([](auto& tx) {
    tx.execute("create table product (id bigint primary key, price bigint not null)");
    tx.execute("insert into product values (1, 100), (2, 200), (3, 300)");
    tx.execute("create table invoice (tenant text not null, id bigint)");
    tx.execute("insert into invoice values ('ann', 1), ('ann', 2), ('bob', 3)");
    tx.execute("create role clerk");
    tx.execute("grant querymark_subscriber to clerk");
    tx.execute("grant select on invoice to clerk");
    tx.execute("alter table invoice enable row level security");
    tx.execute("create policy own on invoice using (tenant = current_setting('app.tenant', true))");
    tx.invalidate(qm::flush_all());
  });
  require(prices(db, {1, 3, 9}).size() == 2, "a list");
  require(prices(db, {1})[0].price.value == 100, "a type of one's own");
  pqxx::connection connection(url);
  with_own_connection(db, connection);
  require(prices(db, {1})[0].price.value == 120, "what another connection has written");
  require(with_own_session(db, connection) == 3, "through one's own connection");
  const std::uint64_t hits = cache.stats().hits;
  require(with_own_session(db, connection) == 3 && cache.stats().hits == hits + 1, "a hit there");
  transfer(db);
  require(prices(db, {1})[0].price.value == 121, "a repeatable write");

  qm::postgres::Database clerk{
      url, cache, {.namespace_name = "clerk", .session = {.role = "clerk"}}};
  require(invoices(clerk, "ann") == 2 && invoices(clerk, "bob") == 1, "each tenant its own");
  require(invoices(clerk, "ann") == 2 && cache.stats().hits > 0, "and from the cache");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: guide_postgres URL\n");
    return 2;
  }
  try {
    run(argv[1]);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "guide: {}\n", failure.what());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}

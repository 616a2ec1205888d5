// What docs/using.md quotes, on SQLite. Runs as a test.

#include <fmt/format.h>
#include <querymark/querymark.hpp>
#include <querymark/sqlite/sqlite.hpp>

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <vector>

namespace qm = querymark;
using namespace std::chrono_literals;

struct Order {
  std::int64_t id;
  std::string customer;
  double total;
};

// [filters]
// Filters that may be there or not, and a list: parameters whose number is known at run time.
qm::Rows<Order> find_orders(qm::Database& db, std::optional<std::string> customer,
                            const std::vector<std::int64_t>& ids) {
  std::string sql = "select id, customer, total from orders where true";
  qm::Parameters parameters;
  if (customer) {
    sql += " and customer = ?";
    parameters.add(*customer);
  }
  if (!ids.empty()) {
    sql += " and id in (select value from json_each(?))";  // PostgreSQL: id = any($n)
    parameters.add(ids);
  }
  return db.query(sql + " order by id", parameters).tag(qm::collection("orders")).fetch_as<Order>();
}
// [/filters]

// [values]
double total_of(qm::Database& db, std::int64_t id) {
  return db.query("select total from orders where id = ?", id)
      .tag(qm::entity("orders", id))
      .fetch_value<double>();  // one row of one column; throws when none or more come
}
std::optional<Order> find_order(qm::Database& db, std::int64_t id) {
  return db.query("select id, customer, total from orders where id = ?", id)
      .tag(qm::entity("orders", id))
      .fetch_optional<Order>();
}
// [/values]

// [many]
// A statement for many orders: each is kept by itself, and only what is missing is asked for. On
// PostgreSQL: select k.ordinality, ... from unnest($1::bigint[]) with ordinality as k(value) join ...
std::vector<qm::Rows<Order>> basket(qm::Database& db, const std::vector<std::int64_t>& ids) {
  const auto order = db.prepare_many<Order>(
                           "select k.key, o.id, o.customer, o.total from json_each(?) as k "
                           "join orders o on o.id = k.value")
                         .tag([](std::int64_t id) { return qm::entity("orders", id); });
  return order.fetch_many(ids);  // for each id its rows, in this order: one or none
}
// [/many]

// [many_hits]
// Calls for many keys of any query: about half of what the same calls cost one by one, where memory has
// them. Each that it lacks is a load of its own.
double sum_of(const qm::PreparedQuery<Order, std::int64_t>& order,
              const std::vector<std::int64_t>& ids) {
  double sum = 0;
  order.many(ids, [&](std::size_t /*place*/, const qm::Rows<Order>& rows) {
    if (!rows.empty()) sum += rows.front().total;
  });
  return sum;
}
// [/many_hits]

// [row_tags]
// Targets known from the rows alone: each order that the result shows.
qm::Result dearest(qm::Database& db) {
  return db.query("select id, total from orders order by total desc limit 3")
      .tag(qm::collection("orders"))
      .tag_rows(
          [](const qm::Row& row) { return qm::entity("orders", row["id"].as<std::int64_t>()); })
      .fetch();
}
// [/row_tags]

// [own_value]
// Any value, from any source, made stale by this database's log.
struct Report {
  std::size_t orders = 0;
};
qm::Cached<Report> report(qm::Database& db) {
  return db.get_or_load<Report>("daily report", {.tags = {qm::collection("orders")}, .ttl = 1h},
                                [&] { return Report{find_orders(db, {}, {}).size()}; });
}
// [/own_value]

// [receipt]
// One request writes, the next one, in whatever process, reads what it has written.
std::string place_order(qm::Database& db, const Order& order) {
  auto written = db.write([&](auto& tx) {
    tx.execute("insert into orders (id, customer, total) values (?, ?, ?)", order.id,
               order.customer, order.total);
    tx.invalidate(qm::entity("orders", order.id)).invalidate(qm::collection("orders"));
  });
  return written.receipt.str();  // into a cookie or a header
}
bool show_orders(qm::Database& db, std::string_view cookie) {
  if (const auto receipt = qm::Receipt::parse(cookie))  // nothing for any other text
    return db.wait(*receipt, qm::Wait::local(500ms)).satisfied();
  return true;
}
// [/receipt]

// [session]
// A user's requests, in whatever processes they are served: each reads at least what that user has
// written, and never less than an earlier one.
std::string order_again(qm::Database& db, std::string_view cookie, const Order& order) {
  qm::UserSession user = db.user_session(cookie).monotonic();
  user.write([&](auto& tx) {
    tx.execute("insert into orders (id, customer, total) values (?, ?, ?)", order.id,
               order.customer, order.total);
    tx.invalidate(qm::entity("orders", order.id)).invalidate(qm::collection("orders"));
  });
  return user.str();  // the next cookie
}
std::int64_t orders_of(qm::Database& db, std::string_view cookie, const std::string& customer) {
  qm::UserSession user = db.user_session(cookie).monotonic();
  return db.query("select count(*) from orders where customer = ?", customer)
      .tag(qm::collection("orders"))
      .reading(user)
      .fetch_value<std::int64_t>();
}
// [/session]

// [strong]
// Linearizable: no older than the call, whoever wrote. Strong reads share one look at the log.
double revenue(qm::Database& db) {
  return db.query("select sum(total) from orders")
      .tag(qm::collection("orders"))
      .strong()
      .fetch_value<double>();
}
// [/strong]

// [doubt]
// A commit whose outcome nobody knows must not simply be repeated.
template <class Work>
void write_once(qm::Database& db, Work work) {
  for (;;) {
    try {
      db.write(work);
      return;
    } catch (const qm::CommitInDoubt& doubt) {
      if (db.resolve(doubt.receipt()) != qm::WriteFate::rolled_back) return;
    } catch (const qm::Error& error) {
      if (!error.retryable()) throw;  // busy, a deadlock: the same call may succeed
    }
  }
}
// [/doubt]

// [in_transaction]
using OrderOf = qm::PreparedQuery<Order, std::int64_t>;

// What part of its customer's orders it is: both numbers from one snapshot.
double share_of(qm::Database& db, const OrderOf& order, std::int64_t id) {
  return db.read_transaction([&](qm::ReadTransaction& tx) {
    const qm::Rows<Order> rows = order.in(tx)(id);
    const qm::ResultSet all =
        tx.query("select sum(total) from orders where customer = ?", rows.one().customer);
    return rows.one().total / all[0][0].as<double>();
  });
}

// A write that looks first: on PostgreSQL memory may answer, until the write has changed something.
bool add_to(qm::Database& db, const OrderOf& order, std::int64_t id, double more) {
  return db
      .write([&](qm::Transaction& tx) {
        if (order.in(tx)(id).empty()) return false;
        tx.execute("update orders set total = total + ? where id = ?", more, id);
        tx.invalidate(qm::entity("orders", id));
        return true;
      })
      .value;
}
// [/in_transaction]

// [own_connection]
// An application that has a connection of its own: intents in its transaction, reads through it.
void with_own_connection(qm::sqlite::Database& db, SQLite::Database& connection) {
  SQLite::Transaction transaction(connection, SQLite::TransactionBehavior::IMMEDIATE);
  connection.exec("update orders set total = 22.0 where id = 2");
  qm::IntentBatch intents;
  intents.add(qm::entity("orders", 2)).add(qm::collection("orders"));
  qm::Staged staged = db.stage(connection, intents);
  transaction.commit();
  staged.committed();  // this process knows at once; without it, a moment later

  auto orders = db.borrow(connection);
  auto rows = orders.query("select count(*) from orders").tag(qm::collection("orders")).fetch();
}
// [/own_connection]

namespace {

void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

void run(const std::string& path) {
  qm::sqlite::migrate(path);
  qm::Cache cache{{.memory_bytes = 16 << 20}};
  qm::sqlite::Database db{path, cache, {.namespace_name = "shop"}};
  db.write([](auto& tx) {
    tx.execute("create table orders (id integer primary key, customer text, total real) strict");
    tx.invalidate(qm::collection("orders"));
  });
  const std::string cookie = place_order(db, {1, "ann", 10.0});
  require(show_orders(db, cookie), "the receipt is satisfied");
  require(show_orders(db, "no receipt"), "any other text is none");
  write_once(db, [](auto& tx) {
    tx.execute("insert into orders values (2, 'bob', 20.0), (3, 'ann', 30.0)");
    tx.invalidate(qm::collection("orders"));
  });
  require(find_orders(db, "ann", {}).size() == 2, "by customer");
  require(find_orders(db, {}, {1, 2, 9}).size() == 2, "by a list");
  require(find_orders(db, "ann", {1, 2}).size() == 1, "by both");
  require(total_of(db, 2) == 20.0, "one value");
  require(!find_order(db, 9) && find_order(db, 3)->customer == "ann", "one row or none");
  require(basket(db, {2, 9, 1})[2].one().id == 1, "a basket");
  require(basket(db, {2, 9}).at(1).empty(), "a basket with what is not there");
  const qm::PreparedQuery<Order, std::int64_t> order =
      db.prepare<Order>("select id, customer, total from orders where id = ?")
          .tag([](std::int64_t id) { return qm::entity("orders", id); });
  require(sum_of(order, {1, 2, 9, 1}) == 2 * total_of(db, 1) + total_of(db, 2), "a sum");
  require(dearest(db).size() == 3, "the dearest");
  require(revenue(db) == 60.0, "a strong read");
  const std::string seen = order_again(db, "not a session", {4, "cid", 40.0});
  require(orders_of(db, seen, "cid") == 1, "what the user has written");
  const qm::Cached<Report> daily = report(db);
  require(daily->orders == 4, "a report");
  require(share_of(db, order, 1) == 0.25, "a part of the customer's orders");
  require(add_to(db, order, 1, 5.0) && !add_to(db, order, 9, 5.0), "a write that looks first");
  require(order(1).one().total == 15.0, "what it has written");
  SQLite::Database connection(path, SQLite::OPEN_READWRITE, 5000);
  with_own_connection(db, connection);
  require(total_of(db, 2) == 22.0, "what another connection has written");
}

}  // namespace

int main() {
  std::string folder = (std::filesystem::temp_directory_path() / "querymark-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return EXIT_FAILURE;
  int code = EXIT_SUCCESS;
  try {
    run(folder + "/shop.db");
  } catch (const std::exception& failure) {
    fmt::print(stderr, "guide: {}\n", failure.what());
    code = EXIT_FAILURE;
  }
  std::filesystem::remove_all(folder);
  return code;
}

#include "support/pg_shop.hpp"

#include <atomic>
#include <chrono>
#include <pqxx/nontransaction>
#include <pqxx/result>

#include "support/await.hpp"
#include "support/rows.hpp"

namespace querymark::test {

PgShop::PgShop(PostgresServer& server)
    : server_(server), name_(server.create_database()), url_(server.url(name_)) {
  execute(
      "create table product (id bigint primary key, name text not null, price float8 not null, "
      "note text);"
      "insert into product values (1, 'tea', 2.5, null), (2, 'cup', 7, ''), (3, 'pot', 30, "
      "'blue')");
}

void PgShop::execute(const std::string& sql) const {
  pqxx::connection connection(url_);
  pqxx::nontransaction(connection).exec(sql);
}

std::string PgShop::text(const std::string& sql) const {
  pqxx::connection connection(url_);
  pqxx::nontransaction plain(connection);
  const pqxx::result rows = plain.exec(sql);
  return rows[0][0].c_str();
}

std::int64_t PgShop::number(const std::string& sql) const { return std::stoll(text(sql)); }

void PgShop::await(const std::string& sql) const {
  test::await(sql, std::chrono::seconds(20), [&] {
    try {
      return text(sql) == "t";
    } catch (const std::exception&) {  // the server may be starting again
      return false;
    }
  });
}

void await_listening(const postgres::Database& db) {
  await("the log has been read, and its doorbell is heard", std::chrono::seconds(20),
        [&] { return db.doorbell_problem().empty() && db.stats().polls > 0; });
}

postgres::Options PgProcess::quick() {
  postgres::Options options;
  options.namespace_name = "shop";
  options.connections = 4;
  options.mark_cells = 1U << 16U;
  return options;
}

postgres::Options one_connection() {
  postgres::Options options = PgProcess::quick();
  options.connections = 1;
  return options;
}

std::int64_t prepared_calls(PgProcess& process) {
  static std::atomic<int> asked{0};  // a text of its own each time, which is not prepared itself
  return only(process.db
                  .query("select count(*) from pg_prepared_statements "
                         "where name like 'querymark_call_%' -- " +
                         std::to_string(++asked))
                  .uncached()
                  .fetch_as<std::int64_t>());
}

PgProcess::PgProcess(const PgShop& shop, postgres::Options options, const Clock& clock)
    : PgProcess(shop.url(), std::move(options), clock) {}

PgProcess::PgProcess(const std::string& url, postgres::Options options, const Clock& clock)
    : cache({.memory_bytes = 64U << 20U, .clock = &clock}), db(url, cache, std::move(options)) {}

Epoch epoch_of(PgProcess& process) { return process.db.source().marks().cursor().epoch; }

void catch_up(PgProcess& process) {
  try {
    process.db.catch_up();
  } catch (const Error& failure) {
    if (!failure.connection_lost()) throw;
    process.db.catch_up();
  }
}

Rows<double> PgProcess::price(std::int64_t id) {
  return db.query("select price from product where id = $1", id)
      .tag(entity("product", id))
      .ttl(std::chrono::hours(1))
      .fetch_as<double>();
}

Receipt PgProcess::set_price(std::int64_t id, double price) {
  return db
      .write([&](postgres::Transaction& tx) {
        tx.execute("update product set price = $1 where id = $2", price, id);
        tx.invalidate(entity("product", id));
      })
      .receipt;
}

}  // namespace querymark::test

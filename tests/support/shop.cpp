#include "support/shop.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

namespace querymark::test {

Shop::Shop() : path_(dir_.file("shop.db")) {
  sqlite::migrate(path_);
  execute("pragma journal_mode = wal");
  execute(
      "create table product (id integer primary key, name text not null, price real not null, note "
      "text)");
  execute(
      "insert into product values (1, 'tea', 2.5, null), (2, 'cup', 7, ''), (3, 'pot', 30, "
      "'blue')");
}

void Shop::execute(const std::string& sql) const {
  SQLite::Database connection(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, 5000);
  connection.exec(sql);
}

void Shop::lose_log() const {
  const std::string keeper =
      text("select sql from sqlite_schema where name = 'querymark_log_newest'");
  execute("begin immediate; drop trigger querymark_log_newest; delete from querymark_log; " +
          keeper + "; commit");
}

void Shop::rewind() const {
  lose_log();
  execute("update product set price = 2.5 where id = 1");
  for (int i = 0; i < 4; ++i)
    execute(
        "insert into querymark_log (namespace, kind, target, write_id) values ('shop', 'tag', 'x', "
        "5)");
}

std::int64_t Shop::number(const std::string& sql) const {
  SQLite::Database connection(path_, SQLite::OPEN_READWRITE, 5000);
  SQLite::Statement statement(connection, sql);
  statement.executeStep();
  return statement.getColumn(0).getInt64();
}

std::string Shop::text(const std::string& sql) const {
  SQLite::Database connection(path_, SQLite::OPEN_READWRITE, 5000);
  SQLite::Statement statement(connection, sql);
  statement.executeStep();
  return statement.getColumn(0).getString();
}

sqlite::Options Process::quick() {
  sqlite::Options options;
  options.namespace_name = "shop";
  options.synchronous = sqlite::Synchronous::normal;
  options.mark_cells = 1U << 16U;
  return options;
}

Process::Process(const Shop& shop, sqlite::Options options) : db(shop.path(), cache, options) {}

Rows<double> Process::price(std::int64_t id) {
  return db.query("select price from product where id = ?", id)
      .tag(entity("product", id))
      .ttl(std::chrono::hours(1))
      .fetch_as<double>();
}

Receipt Process::set_price(std::int64_t id, double price) {
  return db
      .write([&](sqlite::Transaction& tx) {
        tx.execute("update product set price = ? where id = ?", price, id);
        tx.invalidate(entity("product", id));
      })
      .receipt;
}

}  // namespace querymark::test

#include "sqlite_item.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <ranges>

namespace querymark::bench {

ItemFile::ItemFile(std::uint32_t items) : path_(scratch_.file("items.db")) {
  sqlite::migrate(path_);
  SQLite::Database connection(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, 5000);
  connection.exec("pragma journal_mode = wal");
  connection.exec("pragma synchronous = off");
  connection.exec(
      "create table item (key text primary key, id integer not null, price real not null, stock "
      "integer not null, category integer not null) without rowid");
  connection.exec("create table counter (id integer primary key, value integer not null)");
  connection.exec("insert into counter values (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)");
  SQLite::Transaction transaction(connection);
  SQLite::Statement insert(connection, "insert into item values (?, ?, ?, ?, ?)");
  for (std::uint32_t number = 0; number < items; ++number) {
    const Item item = item_of(number);
    insert.bind(1, std::string(key_of(number).view()));
    insert.bind(2, item.id);
    insert.bind(3, item.price);
    insert.bind(4, item.stock);
    insert.bind(5, item.category);
    insert.exec();
    insert.reset();
  }
  connection.exec("create index item_id on item (id)");
  transaction.commit();
}

sqlite::Options item_options() {
  sqlite::Options options;
  options.namespace_name = "bench";
  options.synchronous = sqlite::Synchronous::normal;
  options.max_lag = std::chrono::minutes(1);  // a stolen core must not turn hits into bypasses
  return options;
}

QuerymarkSubject::QuerymarkSubject(const ItemFile& file, std::size_t memory_bytes,
                                   unsigned writes_per_second, Calls calls)
    : cache_({.memory_bytes = memory_bytes}),
      database_(file.path(), cache_, item_options()),
      query_(prepare_item(database_)),
      writes_per_second_(writes_per_second),
      calls_(calls) {}

void QuerymarkSubject::fill(const Request& request) { (void)query_(request.key.view()); }

std::uint64_t QuerymarkSubject::serve(std::span<const Request> requests, bool /*load*/) {
  std::uint64_t missed = 0;
  std::int64_t sum = 0;
  const auto use_rows = [&](const Rows<Item>& rows) {
    sum += rows->id;
    if (!rows.outcome().is_hit()) ++missed;
  };
  if (calls_ == Calls::many) {
    const auto key = [](const Request& request) { return request.key.view(); };
    query_.many(requests | std::views::transform(key),
                [&](std::size_t, const Rows<Item>& rows) { use_rows(rows); });
  } else {
    for (const Request& request : requests) use_rows(query_(request.key.view()));
  }
  use(sum);
  return missed;
}

void QuerymarkSubject::begin() {
  if (writes_per_second_ == 0) return;
  writer_ = std::jthread([this](const std::stop_token& stop) {
    const auto step = std::chrono::nanoseconds(std::chrono::seconds(1)) / writes_per_second_;
    auto next = std::chrono::steady_clock::now();
    for (std::int64_t i = 0; !stop.stop_requested(); ++i) {
      database_.write([&](sqlite::Transaction& tx) {
        tx.execute("update counter set value = ? where id = 1", i);
        tx.invalidate(entity("unrelated", i));
      });
      next += step;
      std::this_thread::sleep_until(next);
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));  // it is at its pace
}

void QuerymarkSubject::end() { writer_ = {}; }

}  // namespace querymark::bench

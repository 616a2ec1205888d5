#include <memory>
#include <optional>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <pqxx/transaction>
#include <stdexcept>
#include <string>
#include <utility>

#include "drain.hpp"
#include "postgres_item.hpp"
#include "querymark/postgres/log.hpp"

namespace querymark::bench {
namespace {

// A backlog, by transactions that each run `insert` for some numbers i.
void fill(const std::string& url, const std::string& insert) {
  pqxx::connection connection(url);
  pqxx::nontransaction plain(connection);
  for (int i = 0; i < kDrained; i += kPerWrite)
    plain.exec(insert + " from generate_series(" + std::to_string(i) + ", " +
               std::to_string(i + kPerWrite - 1) + ") i");
}

void settle(const std::string& url, const std::string& table) {
  pqxx::connection connection(url);
  pqxx::nontransaction(connection).exec("vacuum analyze " + table);
}

class Querymark {
 public:
  explicit Querymark(std::string url) : url_(std::move(url)), log_(url_, "bench") {
    NoTier tier;
    Worker first(work(), tier);  // a new consumer begins with a flush
    first.run_once();
    first.release();
  }
  void refill() const {
    fill(url_,
         "insert into querymark.log (namespace, kind, target, write_id) select 'bench', 'entity', "
         "'item:' || i, 7");
    settle(url_, "querymark.log");
  }
  void drain() { drain_all(work()); }

 private:
  WorkerLog work() { return {log_, *claims_, *deliveries_}; }
  std::string url_;
  postgres::Log log_;
  std::unique_ptr<LogClaims> claims_ = log_.claims();
  std::unique_ptr<Deliveries> deliveries_ = log_.deliveries();
};

// Beside a transaction of somebody else that has an id and a snapshot, and stays open meanwhile.
class HeldTransaction {
 public:
  explicit HeldTransaction(const std::string& url) : holder_(url), querymark_(url) {}
  void refill() {
    open_.emplace(holder_);
    open_->exec("update counter set value = 0 where id = 10");
    querymark_.refill();
  }
  void drain() {
    querymark_.drain();
    open_.reset();
  }

 private:
  pqxx::connection holder_;
  std::optional<pqxx::transaction<pqxx::isolation_level::repeatable_read>> open_;
  Querymark querymark_;
};

// What is written by hand for one queue and one consumer: a cursor, a lease with a token, pages in
// the order of ids below the oldest transaction that is still open.
class CursorLease {
 public:
  explicit CursorLease(std::string url) : url_(std::move(url)), connection_(url_) {
    pqxx::nontransaction plain(connection_);
    plain.exec(
        "create table outbox (id bigint generated always as identity primary key, "
        "xid xid8 not null default pg_current_xact_id(), target text not null);"
        "create table outbox_cursor (name text primary key, id bigint not null, token bigint, "
        "lease_until timestamptz not null default '-infinity') with (fillfactor = 50);"
        "insert into outbox_cursor values ('bench', 0)");
    connection_.prepare("claim",
                        "update outbox_cursor set token = $1, lease_until = now() + interval '30 "
                        "s' where name = 'bench' and (token = $1 or lease_until < now()) "
                        "returning id");
    connection_.prepare("page",
                        "select id, target from outbox where id > $1 and xid < "
                        "pg_snapshot_xmin(pg_current_snapshot()) order by id limit 5000");
    connection_.prepare("advance",
                        "update outbox_cursor set id = $2, lease_until = now() + interval '30 s' "
                        "where name = 'bench' and token = $1");
  }
  void refill() const {
    fill(url_, "insert into outbox (target) select 'item:' || i");
    settle(url_, "outbox");
  }
  void drain() {
    pqxx::nontransaction plain(connection_);
    std::size_t taken = 0;
    std::size_t bytes = 0;
    auto id = plain.exec_prepared("claim", 7).at(0)[0].as<std::int64_t>();
    for (;;) {
      const pqxx::result page = plain.exec_prepared("page", id);
      if (page.empty()) break;
      for (const auto& row : page) bytes += row[1].size();  // the target that takes no time
      id = page.back()[0].as<std::int64_t>();
      if (plain.exec_prepared("advance", 7, id).affected_rows() != 1)
        throw std::runtime_error("fenced");
      taken += static_cast<std::size_t>(page.size());
    }
    if (taken != kDrained || bytes == 0) throw std::runtime_error("not all was drained");
  }

 private:
  std::string url_;
  pqxx::connection connection_;
};

// PgQ, with batches of 5,000 events: its ticker is asked for them while the backlog is made.
class PgQ {
 public:
  explicit PgQ(std::string url) : url_(std::move(url)), connection_(url_) {
    pqxx::nontransaction plain(connection_);
    plain.exec("create extension pgq");
    plain.exec("select pgq.create_queue('bench'), pgq.register_consumer('bench', 'worker')");
    connection_.prepare("next", "select pgq.next_batch('bench', 'worker')");
    connection_.prepare("events", "select ev_id, ev_data from pgq.get_batch_events($1)");
    connection_.prepare("finish", "select pgq.finish_batch($1)");
  }
  void refill() {
    pqxx::connection other(url_);
    pqxx::nontransaction plain(other);
    for (int i = 0; i < kDrained; i += kBatch) {
      plain.exec("select pgq.insert_event('bench', 'entity', 'item:' || i) from generate_series(" +
                 std::to_string(i) + ", " + std::to_string(i + kBatch - 1) + ") i");
      plain.exec("select pgq.force_tick('bench')");
      plain.exec("select pgq.ticker('bench')");
    }
    plain.exec("vacuum analyze");
  }
  void drain() {
    pqxx::nontransaction plain(connection_);
    std::size_t taken = 0;
    while (taken < kDrained) {
      const pqxx::result batch = plain.exec_prepared("next");
      if (batch[0][0].is_null()) throw std::runtime_error("pgq has no more batches");
      const auto id = batch[0][0].as<std::int64_t>();
      taken += static_cast<std::size_t>(plain.exec_prepared("events", id).size());
      plain.exec_prepared("finish", id);
    }
  }

 private:
  static constexpr int kBatch = 5000;
  std::string url_;
  pqxx::connection connection_;
};

bool has_pgq(const std::string& url) {
  pqxx::connection connection(url);
  pqxx::nontransaction plain(connection);
  return !plain.exec("select from pg_available_extensions where name = 'pgq'").empty();
}

template <class Subject, class... More>
void add(DrainSubjects& subjects, std::string name, const std::string& url, More&&... more) {
  const auto subject = std::make_shared<Subject>(url, std::forward<More>(more)...);
  subjects.push_back(
      {std::move(name), [subject] { subject->refill(); }, [subject] { subject->drain(); }});
}

}  // namespace

void add_postgres_drains(const Options& options, Report& report, DrainSubjects& subjects) {
  if (!postgres_wanted(options, report, "drain", "querymark", "cursor_lease", "pgq",
                       "querymark_held_transaction"))
    return;
  const auto database = [] { return ItemDatabase(1).url(); };
  if (options.wants("querymark")) add<Querymark>(subjects, "querymark", database());
  if (options.wants("cursor_lease")) add<CursorLease>(subjects, "cursor_lease", database());
  if (options.wants("pgq")) {
    const std::string url = database();
    if (has_pgq(url))
      add<PgQ>(subjects, "pgq", url);
    else
      report.absent("drain", "pgq", "postgresql-15-pgq3");
  }
  if (options.wants("querymark_held_transaction"))
    add<HeldTransaction>(subjects, "querymark_held_transaction", database());
}

}  // namespace querymark::bench

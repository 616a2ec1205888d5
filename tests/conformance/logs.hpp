#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <memory>

#include "support/shop.hpp"
#ifdef QUERYMARK_TEST_POSTGRES
#include "support/pg_shop.hpp"
#endif

namespace querymark::test {

/// The log of the namespace "shop" in memory, and what differs between the databases in a test that
/// runs on all of them.
struct MemoryLog {
  ManualClock clock_;
  MemoryOutbox outbox_{"shop", clock_};
  LogReader& reader() { return outbox_; }
  LogClaims& claims() { return outbox_; }
  Deliveries& deliveries() { return outbox_; }
  Coverage& coverage() { return outbox_; }
  Subscribers& subscribers() { return outbox_; }
  Pruning& pruning() { return outbox_; }
  /// Time goes by for the database: recorded snapshots and heartbeats are that much older.
  void grow_old(std::chrono::milliseconds by) { clock_.advance(by); }
  /// The database's clock goes back: what is written down of deliveries and heartbeats lies that
  /// much later.
  void put_clock_back(std::chrono::milliseconds by) { clock_.skew_wall(-by); }
  Receipt write(const IntentBatch& intents) { return outbox_.append(intents); }
  void malformed() { outbox_.append_malformed(); }
  void tracked(const std::string& kind, const std::string& text) {
    outbox_.append_tracked(kind, text);
  }
  void prune(Position floor) { outbox_.prune(floor); }
  void lose_history() { outbox_.replace_history(); }
};

/// The same on SQLite.
struct SqliteLog {
  Shop shop;
  Process process{shop};
  sqlite::Log log{shop.path(), "shop"};
  std::unique_ptr<LogClaims> held = log.claims();
  std::unique_ptr<Deliveries> kept = log.deliveries();
  std::unique_ptr<Subscribers> followers = log.subscribers();
  std::unique_ptr<Pruning> table = log.pruning();
  LogReader& reader() { return log; }
  LogClaims& claims() { return *held; }
  Deliveries& deliveries() { return *kept; }
  Coverage& coverage() { return log; }
  Subscribers& subscribers() { return *followers; }
  Pruning& pruning() { return *table; }
  void grow_old(std::chrono::milliseconds by) {
    SQLite::Database beside(shop.path() + "-subscribers", SQLite::OPEN_READWRITE, 5000);
    const std::string span = std::to_string(by.count());
    beside.exec("update recorded set recorded_at = recorded_at - " + span);
    beside.exec("update subscriber set beat_at = beat_at - " + span);
    shop.execute("update querymark_delivery set changed_at = changed_at - " + span);
  }
  void put_clock_back(std::chrono::milliseconds by) {
    const std::string later = " + " + std::to_string(by.count());
    SQLite::Database(shop.path() + "-subscribers", SQLite::OPEN_READWRITE, 5000)
        .exec("update subscriber set beat_at = beat_at" + later);
    shop.execute("update querymark_delivery set created_at = created_at" + later +
                 ", changed_at = changed_at" + later + ", available_at = available_at" + later +
                 ", deadline = deadline" + later);
  }
  Receipt write(const IntentBatch& intents) {
    return process.db
        .write([&](auto& tx) {
          for (const Target& target : intents.targets()) tx.invalidate(target);
        })
        .receipt;
  }
  void malformed() {
    shop.execute(
        "insert into querymark_log (namespace, kind, target, write_id) values ('shop', 'tag', '%', "
        "3)");
  }
  void tracked(const std::string& kind, const std::string& text) {
    shop.execute("insert into querymark_log (namespace, kind, target) values ('*', '" + kind +
                 "', '" + text + "')");
  }
  void prune(Position floor) {
    shop.execute("update querymark_meta set floor = " + std::to_string(floor.value));
    shop.execute("delete from querymark_log where id < " + std::to_string(floor.value));
  }
  void lose_history() { shop.lose_log(); }
};

#ifdef QUERYMARK_TEST_POSTGRES
/// The same on PostgreSQL.
struct PostgresLog {
  PgShop shop;
  PgProcess process{shop};
  postgres::Log log{shop.url(), "shop"};
  std::unique_ptr<LogClaims> held = log.claims();
  std::unique_ptr<Deliveries> kept = log.deliveries();
  std::unique_ptr<Subscribers> followers = log.subscribers();
  std::unique_ptr<Pruning> table = log.pruning();
  LogReader& reader() { return log; }
  LogClaims& claims() { return *held; }
  Deliveries& deliveries() { return *kept; }
  Subscribers& subscribers() { return *followers; }
  Pruning& pruning() { return *table; }
  void grow_old(std::chrono::milliseconds by) {
    const std::string span = std::to_string(by.count()) + " * interval '1 millisecond'";
    shop.execute("update querymark.snapshot set recorded_at = recorded_at - " + span);
    shop.execute("update querymark.subscriber set beat_at = beat_at - " + span);
    shop.execute("update querymark.delivery set changed_at = changed_at - " + span);
  }
  void put_clock_back(std::chrono::milliseconds by) {
    const std::string later = " + " + std::to_string(by.count()) + " * interval '1 millisecond'";
    shop.execute("update querymark.subscriber set beat_at = beat_at" + later);
    shop.execute("update querymark.delivery set created_at = created_at" + later +
                 ", changed_at = changed_at" + later + ", available_at = available_at" + later +
                 ", deadline = deadline" + later);
  }
  Coverage& coverage() { return log; }
  Receipt write(const IntentBatch& intents) {
    return process.db
        .write([&](auto& tx) {
          for (const Target& target : intents.targets()) tx.invalidate(target);
        })
        .receipt;
  }
  void malformed() {
    shop.execute(
        "insert into querymark.log (namespace, kind, target, write_id) values ('shop', 'tag', '%', "
        "3)");
  }
  void tracked(const std::string& kind, const std::string& text) {
    shop.execute("insert into querymark.log (namespace, kind, target) values ('*', '" + kind +
                 "', '" + text + "')");
  }
  void prune(Position floor) {
    const std::string id = "'" + std::to_string(floor.value) + "'::xid8";
    shop.execute("update querymark.meta set floor = " + id);
    shop.execute("delete from querymark.log where xid < " + id);
  }
  // As a crash does.
  void lose_history() { shop.execute("truncate querymark.incarnation"); }
};
#define QUERYMARK_LOGS MemoryLog, SqliteLog, PostgresLog
#else
#define QUERYMARK_LOGS MemoryLog, SqliteLog
#endif

inline IntentBatch batch(std::initializer_list<Target> targets) {
  IntentBatch intents;
  for (const Target& target : targets) intents.add(target);
  return intents;
}

inline TailRequest after(const Cursor& from) {
  return {.from = from, .upto = std::nullopt, .after = std::nullopt, .limit = 1000};
}

}  // namespace querymark::test

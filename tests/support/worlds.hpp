#pragma once

#include <filesystem>
#include <type_traits>

#include "querymark/file_tier/file_tier.hpp"
#include "querymark/tier/tier_group.hpp"
#include "support/shop.hpp"
#ifdef QUERYMARK_TEST_MEMCACHED
#include "querymark/memcached/memcached_tier.hpp"
#include "support/memcached_server.hpp"
#endif
#ifdef QUERYMARK_TEST_REDIS
#include "querymark/redis/redis_tier.hpp"
#include "support/redis_server.hpp"
#endif
#ifdef QUERYMARK_TEST_POSTGRES
#include <pqxx/nontransaction>
#include <pqxx/result>

#include "support/pg_shop.hpp"
#endif

namespace querymark::test {

/// A tier that a busy machine makes no misses of.
[[nodiscard]] inline FileTier patient_file(const std::string& path) {
  return FileTier(path, {.busy_timeout = std::chrono::seconds(30)});
}

/// A shop on SQLite, and what differs between the databases in a test that runs on all of them.
struct SqliteWorld {
  using Process = test::Process;
  using Database = sqlite::Database;
  using Options = sqlite::Options;
  static constexpr std::uint64_t kCopies = 1;  // of each value that its tier holds
  static constexpr const char* kLog = "querymark_log";
  static constexpr bool kSettings = false;  // of a session
  static constexpr const char* kPriceType = "REAL";
  static constexpr const char* kDuplicate = "UNIQUE constraint failed";
  static constexpr const char* kThreeMegabytes = "select zeroblob(3000000)";
  static constexpr const char* kProductOf =
      "select id, name, price, note from product where id = ?";
  static constexpr const char* kPriceOf = "select price from product where id = ?";
  static constexpr const char* kLockPriceOf = kPriceOf;  // writers take turns anyway
  static constexpr const char* kSetPrice = "update product set price = ? where id = ?";

  Shop shop;
  TempDir dir;

  [[nodiscard]] std::string address() const { return shop.path(); }
  [[nodiscard]] FileTier tier() const { return patient_file(dir.file("tier")); }
  [[nodiscard]] std::int64_t log_rows() const {
    return shop.number("select count(*) from querymark_log");
  }
  /// Returns once no killed process has a commit under way.
  void await_quiet() const {}
  /// Removes the whole log, but for its newest row on SQLite.
  void prune() const {
    shop.execute(
        "update querymark_meta set floor = (select coalesce(max(id), 0) + 1 from querymark_log)");
    shop.execute("delete from querymark_log");
  }
  /// All leases of workers are over.
  void end_leases() const { shop.execute("update querymark_consumer set lease_until = 0"); }
  /// How far the only worker's target is.
  [[nodiscard]] std::string cursor() const {
    return shop.text("select cursor_id from querymark_consumer");
  }
  /// Each update of a product also puts its collection into the log, without the library.
  void add_audit_trigger() const {
    shop.execute(
        "create trigger audit after update on product begin "
        "insert into querymark_log (namespace, kind, target, write_id) "
        "values ('shop', 'collection', 'product', 0); end");
  }
  /// Makes every insert into the log fail.
  void close_log() const {
    shop.execute(
        "create trigger refuse before insert on querymark_log begin "
        "select raise(abort, 'log is closed'); end");
  }
  void add_future_schema() const {
    shop.execute("insert into querymark_schema (version, name) values (99, 'future')");
  }
  static MigrationReport migrate(const std::string& address) { return sqlite::migrate(address); }
};

/// A place for a database without a schema.
struct BareSqlite {
  TempDir dir;

  static int newest() { return sqlite::schema_version(); }
  MigrationReport migrate(bool dry_run = false) const {
    return sqlite::migrate(dir.file("bare.db"), dry_run);
  }
  [[nodiscard]] bool has_schema() const { return std::filesystem::exists(dir.file("bare.db")); }
};

#ifdef QUERYMARK_TEST_POSTGRES
/// The same on PostgreSQL.
struct PostgresWorld {
  using Process = PgProcess;
  using Database = postgres::Database;
  using Options = postgres::Options;
  static constexpr std::uint64_t kCopies = 1;  // of each value that its tier holds
  static constexpr const char* kLog = "querymark.log";
  static constexpr bool kSettings = true;
  static constexpr const char* kPriceType = "double precision";
  static constexpr const char* kDuplicate = "23505";
  static constexpr const char* kThreeMegabytes = "select repeat('x', 3000000)";
  static constexpr const char* kProductOf =
      "select id, name, price, note from product where id = $1";
  static constexpr const char* kPriceOf = "select price from product where id = $1";
  static constexpr const char* kLockPriceOf = "select price from product where id = $1 for update";
  static constexpr const char* kSetPrice = "update product set price = $1 where id = $2";

  PgShop shop;
  TempDir dir;

  [[nodiscard]] std::string address() const { return shop.url(); }
  [[nodiscard]] FileTier tier() const { return patient_file(dir.file("tier")); }
  [[nodiscard]] std::int64_t log_rows() const {
    return shop.number("select count(*) from querymark.log");
  }
  void await_quiet() const {
    shop.await("select count(*) = 0 from pg_stat_activity where datname = '" + shop.name() +
               "' and pid <> pg_backend_pid()");
  }
  void prune() const {
    shop.execute(
        "update querymark.meta set floor = pg_snapshot_xmin(pg_current_snapshot());"
        "delete from querymark.log");
  }
  void end_leases() const {
    shop.execute("update querymark.consumer set lease_until = '-infinity'");
  }
  [[nodiscard]] std::string cursor() const {
    return shop.text("select cursor::text from querymark.consumer");
  }
  void add_audit_trigger() const {
    shop.execute(
        "create function audit() returns trigger language plpgsql as $$ begin "
        "perform querymark.invalidate('shop', 'collection', 'product'); return null; end $$;"
        "create trigger audit after update on product execute function audit()");
  }
  void close_log() const {
    shop.execute(
        "create function refuse() returns trigger language plpgsql as $$ begin "
        "raise exception 'log is closed'; end $$;"
        "create trigger refuse before insert on querymark.log execute function refuse()");
  }
  void add_future_schema() const {
    shop.execute("insert into querymark.schema (version, name) values (99, 'future')");
  }
  static MigrationReport migrate(const std::string& address) { return postgres::migrate(address); }
};

struct BarePostgres {
  PostgresServer& server = PostgresServer::shared();
  std::string name = server.create_bare_database();

  static int newest() { return postgres::schema_version(); }
  MigrationReport migrate(bool dry_run = false) const {
    return postgres::migrate(server.url(name), dry_run);
  }
  [[nodiscard]] bool has_schema() const {
    pqxx::connection connection(server.url(name));
    return !pqxx::nontransaction(connection)
                .exec("select to_regnamespace('querymark')")[0][0]
                .is_null();
  }
};
#define QUERYMARK_WORLDS SqliteWorld, PostgresWorld
#define QUERYMARK_BARE_WORLDS BareSqlite, BarePostgres
#else
#define QUERYMARK_WORLDS SqliteWorld
#define QUERYMARK_BARE_WORLDS BareSqlite
#endif

/// The same with a group of files below, one of them in a group of its own. Which of them answers
/// is a race.
template <class World>
struct OverGroup : World {
  static constexpr std::uint64_t kCopies = 3;
  [[nodiscard]] TierGroup tier() const {
    return TierGroup(
        "shop", {.reads = TierReads::hedged, .hedge_delay = std::chrono::milliseconds(0)},
        this->World::tier(),
        TierGroup("inner", {.reads = TierReads::parallel}, patient_file(this->dir.file("second")),
                  patient_file(this->dir.file("third"))));
  }
};
#ifdef QUERYMARK_TEST_POSTGRES
#define QUERYMARK_GROUP_WORLDS OverGroup<SqliteWorld>, OverGroup<PostgresWorld>
#else
#define QUERYMARK_GROUP_WORLDS OverGroup<SqliteWorld>
#endif

#ifdef QUERYMARK_TEST_REDIS
/// The same with a Redis server below.
template <class World>
struct OverRedis : World {
  [[nodiscard]] RedisTier tier() const {
    return RedisTier(server.socket_url(), {.timeout = std::chrono::seconds(30)});
  }

  RedisServer server;
};
#define QUERYMARK_OVER_REDIS , OverRedis<SqliteWorld>
#ifdef QUERYMARK_TEST_POSTGRES
#define QUERYMARK_POSTGRES_OVER_REDIS , OverRedis<PostgresWorld>
#endif
#endif

#ifdef QUERYMARK_TEST_MEMCACHED
/// The same with two memcached servers below.
template <class World>
struct OverMemcached : World {
  [[nodiscard]] MemcachedTier tier() const {
    return MemcachedTier(first.url() + ',' + second.url(), {.timeout = std::chrono::seconds(30)});
  }

  MemcachedServer first;
  MemcachedServer second;
};
#define QUERYMARK_OVER_MEMCACHED , OverMemcached<SqliteWorld>
#endif

#ifndef QUERYMARK_OVER_REDIS
#define QUERYMARK_OVER_REDIS
#endif
#ifndef QUERYMARK_POSTGRES_OVER_REDIS
#define QUERYMARK_POSTGRES_OVER_REDIS
#endif
#ifndef QUERYMARK_OVER_MEMCACHED
#define QUERYMARK_OVER_MEMCACHED
#endif
#define QUERYMARK_TIER_WORLDS                                                                 \
  QUERYMARK_WORLDS, QUERYMARK_GROUP_WORLDS QUERYMARK_OVER_REDIS QUERYMARK_POSTGRES_OVER_REDIS \
                        QUERYMARK_OVER_MEMCACHED

/// A load of product 1's price, under a name of its own, that runs `meanwhile` after it has read
/// the row and before it returns.
template <class Process, class Meanwhile>
Cached<double> slow_price(Process& process, Meanwhile meanwhile) {
  return process.db.template get_or_load<double>(
      "slow price", {.tags = {entity("product", 1)}, .ttl = std::chrono::hours(1)}, [&] {
        const auto rows = process.db.query("select price from product where id = 1")
                              .uncached()
                              .template fetch_as<double>();
        meanwhile();
        return rows[0];
      });
}

/// Where the databases differ in more than a constant of their world.
template <class World>
inline constexpr bool kIsSqlite = std::is_same_v<typename World::Database, sqlite::Database>;

}  // namespace querymark::test

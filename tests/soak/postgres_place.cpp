#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <iterator>
#include <optional>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/result>

#include "soak/place.hpp"
#include "soak/postgres_beside.hpp"
#include "soak/shop.hpp"
#include "support/postgres_server.hpp"

namespace querymark::test::soak {
namespace {

using namespace std::chrono_literals;

class PostgresPlace final : public Place {
 public:
  PostgresPlace(bool with_standby, bool with_proxy)
      : server_({"max_prepared_transactions=50", "wal_keep_size=512MB"}, TempDir::Where::disk),
        name_(server_.create_database()) {
    for (const Table table : {Table::item, Table::auto_item})
      execute(fmt::format(
          "create table {0} (id int8 primary key, grp int8 not null, v int8 not null default 0);"
          "create index on {0} (grp);"
          "insert into {0} select n, n % {1}, 0 from generate_series(0, {2}) n",
          name_of(table), kGroups, kIds - 1));
    if (with_standby) standby_.emplace(server_);
    if (with_proxy) proxy_.emplace(server_);
  }

  [[nodiscard]] std::string address() const override { return server_.url(name_); }
  [[nodiscard]] std::string url() const override { return address(); }
  [[nodiscard]] std::string standby() const override {
    return standby_ ? standby_->url(name_) : std::string();
  }
  [[nodiscard]] std::string proxy() const override {
    return proxy_ ? proxy_->url(name_) : std::string();
  }

  // Transactions that were prepared by who was killed before it committed them.
  void tend() override {
    if (away_ || std::chrono::steady_clock::now() < next_look_) return;
    next_look_ = std::chrono::steady_clock::now() + 1s;
    pqxx::connection connection(server_.socket_url(name_));
    pqxx::nontransaction plain(connection);
    for (const auto& row :
         plain.exec("select gid from pg_prepared_xacts where prepared < now() - interval '2 s'"))
      plain.exec(fmt::format("rollback prepared '{}'", row[0].c_str()));
  }

  [[nodiscard]] Troubles troubles() override {
    Troubles all{
        {"server restarted", [this](Lots& lots) { return restarted(lots); }},
        {"log locked",
         [this](Lots& lots) {
           const auto lasts = lots.one_of(std::array{200ms, 1500ms, 4000ms});
           return held("begin; lock table querymark.log in exclusive mode", lasts);
         }},
        {"transaction that stays open",
         [this](Lots& lots) {
           const auto lasts = lots.one_of(std::array{1000ms, 5000ms});
           return held("begin isolation level repeatable read; select pg_current_xact_id()", lasts);
         }},
        {"sessions ended", [this](Lots& lots) {
           return told(fmt::format(
               "select pg_terminate_backend(pid) from (select pid from pg_stat_activity "
               "where pid <> pg_backend_pid() and backend_type = 'client backend' "
               "order by random() limit {}) one",
               lots.one_of(std::array{1, 3, 20})));
         }}};
    add(all, "log rewritten", {"vacuum full querymark.log", "reindex table querymark.log"});
    add(all, "log emptied", {"truncate querymark.log"});
    add(all, "another schema",
        {"create index if not exists v_of_item on item (v)", "drop index if exists v_of_item",
         "alter table item set (fillfactor = 70)", "alter table auto_item set (fillfactor = 90)"});
    add(all, "analyze", {"analyze item, auto_item"});
    all.push_back({"column", [this](Lots& lots) {
                     return told(fmt::format("alter table {} add column x{} int",
                                             lots.one_in(2) ? "item" : "auto_item",
                                             lots.below(1'000'000'000)));
                   }});
    all.push_back({"configuration reloaded", [this](Lots& lots) -> std::optional<Struck> {
                     if (away_) return std::nullopt;
                     execute(
                         fmt::format("alter system set work_mem = '{} MB'", 4 + lots.below(16)));
                     return told("select pg_reload_conf()");
                   }});
    if (standby_) std::ranges::move(standby_->troubles(), std::back_inserter(all));
    if (proxy_) std::ranges::move(proxy_->troubles(), std::back_inserter(all));
    return all;
  }

 private:
  // What can't have its lock in a moment is not done.
  static constexpr const char* kPatience = "set lock_timeout = '1s'; set statement_timeout = '5s'";

  void execute(const std::string& sql) const {
    pqxx::connection connection(server_.socket_url(name_));
    pqxx::nontransaction plain(connection);
    plain.exec(kPatience);
    plain.exec(sql);
  }

  [[nodiscard]] std::optional<Struck> told(const std::string& sql) const {
    if (away_) return std::nullopt;
    execute(sql);
    return Struck{.what = sql};
  }
  void add(Troubles& all, const std::string& name, std::vector<std::string> statements) const {
    all.push_back({name, [this, statements = std::move(statements)](Lots& lots) {
                     return told(lots.one_of(statements));
                   }});
  }

  [[nodiscard]] std::optional<Struck> held(const std::string& sql,
                                           std::chrono::milliseconds lasts) const {
    if (away_) return std::nullopt;
    auto connection = std::make_shared<pqxx::connection>(server_.socket_url(name_));
    pqxx::nontransaction plain(*connection);
    plain.exec(kPatience);
    plain.exec(sql);
    return Struck{.what = fmt::format("{} for {} ms", sql, lasts.count()),
                  .lasts = lasts,
                  .end = [connection]() mutable { connection.reset(); }};
  }

  [[nodiscard]] std::optional<Struck> restarted(Lots& lots) {
    if (away_) return std::nullopt;
    const bool crashed = lots.one_in(2);
    const auto lasts = lots.one_of(std::array{0ms, 500ms, 4000ms});  // max_lag is 3 s
    server_.stop(crashed ? SIGQUIT : SIGINT);
    away_ = true;
    return Struck{.what = fmt::format("the server {}, and is back in {} ms",
                                      crashed ? "crashes" : "is shut down", lasts.count()),
                  .lasts = lasts,
                  .end = [this] {
                    server_.start();
                    away_ = false;
                  }};
  }

  PostgresServer server_;
  std::string name_;
  std::optional<StandbyOfSoak> standby_;
  std::optional<ProxyOfSoak> proxy_;
  bool away_ = false;
  std::chrono::steady_clock::time_point next_look_;
};

}  // namespace

std::unique_ptr<Place> postgres_place(bool with_standby, bool with_proxy) {
  return std::make_unique<PostgresPlace>(with_standby, with_proxy);
}

}  // namespace querymark::test::soak

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>

#include <array>
#include <filesystem>

#include "querymark/sqlite/migrate.hpp"
#include "soak/place.hpp"
#include "soak/shop.hpp"

namespace querymark::test::soak {
namespace {

using namespace std::chrono_literals;

class SqlitePlace final : public Place {
 public:
  explicit SqlitePlace(const TempDir& dir)
      : path_(dir.file("shop.db")), copy_(dir.file("copy.db")) {
    sqlite::migrate(path_);
    execute("pragma journal_mode = wal");
    for (const Table table : {Table::item, Table::auto_item}) {
      const std::string name = name_of(table);
      execute("create table " + name +
              " (id integer primary key, grp int8 not null, v int8 not null default 0)");
      execute("create index grp_of_" + name + " on " + name + " (grp)");
      execute(fmt::format(
          "with recursive n (i) as (select 0 union all select i + 1 from n where i < {}) "
          "insert into {} select i, i % {}, 0 from n",
          kIds - 1, name, kGroups));
    }
  }

  [[nodiscard]] std::string address() const override { return path_; }
  [[nodiscard]] std::string url() const override { return "sqlite:" + path_; }
  void tend() override {}

  [[nodiscard]] Troubles troubles() override {
    Troubles all{{"writer that holds its lock",
                  [this](Lots& lots) { return held(lots, "begin immediate"); }},
                 {"reader of an old snapshot", [this](Lots& lots) { return held(lots, "begin"); }},
                 {"backup", [this](Lots&) {
                    std::filesystem::remove(copy_);
                    return told("vacuum into '" + copy_ + '\'');
                  }}};
    add(all, "checkpoint",
        {"pragma wal_checkpoint(truncate)", "pragma wal_checkpoint(restart)",
         "pragma wal_checkpoint(full)"});
    add(all, "vacuum", {"vacuum"});
    add(all, "analyze", {"analyze", "pragma optimize"});
    add(all, "another schema",
        {"create index if not exists v_of_item on item (v)", "drop index if exists v_of_item",
         "create view if not exists items as select * from item", "drop view if exists items"});
    all.push_back({"column", [this](Lots& lots) {
                     return told(fmt::format("alter table {} add column x{} int",
                                             lots.one_in(2) ? "item" : "auto_item",
                                             lots.below(1'000'000'000)));
                   }});
    return all;
  }

 private:
  [[nodiscard]] SQLite::Database opened() const {
    return {path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, 2000};
  }
  void execute(const std::string& sql) const { opened().exec(sql); }

  [[nodiscard]] std::optional<Struck> told(const std::string& sql) const {
    execute(sql);
    return Struck{.what = sql};
  }
  void add(Troubles& all, const std::string& name, std::vector<std::string> statements) const {
    all.push_back({name, [this, statements = std::move(statements)](Lots& lots) {
                     return told(lots.one_of(statements));
                   }});
  }

  [[nodiscard]] std::optional<Struck> held(Lots& lots, const std::string& begin) const {
    const auto lasts = lots.one_of(std::array{200ms, 1000ms, 3000ms});
    const auto connection = std::make_shared<SQLite::Database>(opened());
    connection->exec(begin);
    connection->execAndGet("select count(*) from item");
    return Struck{.what = fmt::format("{} for {} ms", begin, lasts.count()),
                  .lasts = lasts,
                  .end = [connection] { connection->exec("rollback"); }};
  }

  std::string path_;
  std::string copy_;
};

}  // namespace

std::unique_ptr<Place> sqlite_place(const TempDir& dir) {
  return std::make_unique<SqlitePlace>(dir);
}

}  // namespace querymark::test::soak

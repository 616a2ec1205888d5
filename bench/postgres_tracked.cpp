#include <fmt/format.h>

#include <optional>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/prepared_statement>
#include <pqxx/result>
#include <pqxx/transaction>

#include "postgres_item.hpp"
#include "querymark/postgres/track.hpp"
#include "tracked_subject.hpp"

namespace querymark::bench {
namespace {

class PostgresTracked final : public TrackedSubject {
 public:
  PostgresTracked() : plain_(server_.url()) {
    pqxx::nontransaction setup(plain_);
    setup.exec(kMakeSold);
    setup.exec(
        fmt::format("insert into sold select n, n % 100, n, n, n % 7 from generate_series(1, {}) n",
                    kSoldRows));
    setup.exec("vacuum analyze sold");
    plain_.prepare("sell", "update sold set stock = stock + 1 where id <= $1");
    postgres::Options options = postgres_item_options();
    options.tags = Tags::automatic;
    database_.emplace(server_.url(), cache_, options);
  }

  void route(int routes) override {
    static_cast<void>(postgres::untrack(server_.url(), {.tables = {"sold"}}));
    if (routes > 0) static_cast<void>(postgres::track(server_.url(), track_by(routes)));
  }
  [[nodiscard]] Update update(std::uint32_t rows) override {
    Update took;
    pqxx::work work(plain_);
    const std::int64_t before = rows_of_log(work);
    took.us = elapsed_ns([&] { work.exec_prepared("sell", rows); }) / 1000;
    took.log_rows = rows_of_log(work) - before;
    work.abort();
    if (rows == kSoldRows) pqxx::nontransaction(plain_).exec("vacuum sold");
    return took;
  }
  void analyse(const std::string& sql) override { use(database_->analyse(sql).verdict); }

 private:
  static std::int64_t rows_of_log(pqxx::work& work) {
    return work.exec("select count(*) from querymark.log")[0][0].as<std::int64_t>();
  }

  ItemDatabase server_{10};
  Pinned pinned_{Pinned::Server::same_core};
  pqxx::connection plain_;
  Cache cache_;
  std::optional<postgres::Database> database_;
};

}  // namespace

std::unique_ptr<TrackedSubject> postgres_tracked(const Options& options, Report& report) {
  if (!postgres_wanted(options, report, "automatic", "postgres")) return nullptr;
  return std::make_unique<PostgresTracked>();
}

}  // namespace querymark::bench

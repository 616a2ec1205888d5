#include "rounds.hpp"

#if defined(QUERYMARK_BENCH_POSTGRES) && defined(QUERYMARK_BENCH_REDIS)
#include <chrono>
#include <memory>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <string>
#include <thread>
#include <vector>

#include "postgres_item.hpp"
#include "querymark/deliver/worker.hpp"
#include "querymark/feed/feed_relay.hpp"
#include "querymark/postgres/doorbell.hpp"
#include "querymark/postgres/log.hpp"
#include "querymark/redis/redis_feed.hpp"
#include "support/postgres_server.hpp"
#include "support/redis_server.hpp"
#endif

// What following the log costs the database, statements a second, while a process writes ten times a
// second: with a worker that hands the log on through Redis and 0, 1, 10 and 100 followers, and with as
// many processes that each read the log. The writer's statements are in all of them. Each process is a
// cache and a database of its own in this program.

namespace querymark::bench {

#if defined(QUERYMARK_BENCH_POSTGRES) && defined(QUERYMARK_BENCH_REDIS)
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBetweenWrites{100};
constexpr milliseconds kSample{2000};

struct Process {
  Process(const std::string& url, std::shared_ptr<Feed> feed)
      : database(url, cache, [&] {
          postgres::Options options;
          options.namespace_name = "bench";
          options.feed = std::move(feed);
          return options;
        }()) {}
  Cache cache;
  postgres::Database database;
};

// As `querymark worker --target redis://…` does it.
class HandingOn {
 public:
  HandingOn(const std::string& url, RedisFeed& feed) : log_(url, "bench"), bell_(log_) {
    const FeedName name{log_.identity().database_id, "bench"};
    applier_ = std::make_unique<FeedApplier>(
        feed.url(),
        std::make_unique<FeedRelay>(name, feed, std::make_unique<Followers>(*subscribers_)));
    applier_->relay()->on_ask([this] { bell_.interrupt(); });
    worker_ = std::make_unique<Worker>(WorkerLog{log_, *claims_, *deliveries_, &bell_}, *applier_);
    working_ = std::jthread([this](const std::stop_token& stop) { worker_->run(stop); });
  }
  HandingOn(const HandingOn&) = delete;
  HandingOn& operator=(const HandingOn&) = delete;
  ~HandingOn() {
    working_.request_stop();
    bell_.interrupt();
  }

 private:
  postgres::Log log_;
  postgres::NotifyDoorbell bell_;
  std::unique_ptr<LogClaims> claims_ = log_.claims();
  std::unique_ptr<Deliveries> deliveries_ = log_.deliveries();
  std::unique_ptr<Subscribers> subscribers_ = log_.subscribers();
  std::unique_ptr<FeedApplier> applier_;
  std::unique_ptr<Worker> worker_;
  std::jthread working_;
};

// A server that counts statements, and the database that is measured.
class Counted {
 public:
  Counted()
      : server_({"max_connections=400", "shared_preload_libraries=pg_stat_statements"},
                test::TempDir::Where::disk),
        name_(server_.create_database()),
        beside_(server_.socket_url(server_.create_bare_database())) {
    pqxx::nontransaction(beside_).exec("create extension pg_stat_statements");
  }
  [[nodiscard]] std::string url() const { return server_.socket_url(name_); }
  [[nodiscard]] double statements() {
    pqxx::nontransaction plain(beside_);
    return plain
        .exec(
            "select coalesce(sum(calls), 0) from pg_stat_statements s join pg_database d on "
            "d.oid = s.dbid where d.datname = " +
            plain.quote(name_))[0][0]
        .as<double>();
  }

 private:
  test::PostgresServer server_;
  std::string name_;
  pqxx::connection beside_;
};

Figure measure_followers(const Options& options, const std::string& subject, Counted& counted) {
  using Clock = std::chrono::steady_clock;
  Process writer(counted.url(), nullptr);
  std::jthread writing([&](const std::stop_token& stop) {
    for (std::uint64_t i = 0; !stop.stop_requested(); ++i) {
      writer.database.write([&](Transaction& tx) { tx.invalidate(entity("item", i)); });
      std::this_thread::sleep_for(kBetweenWrites);
    }
  });
  std::this_thread::sleep_for(kSample);  // what is done at the start alone
  Figure figure{.bench = "followers", .subject = subject, .unit = "statements/s"};
  for (std::size_t run = 0; run < options.runs; ++run) {
    const double before = counted.statements();
    const auto began = Clock::now();
    std::this_thread::sleep_for(kSample);
    const double asked = counted.statements() - before;
    figure.runs.push_back(asked / std::chrono::duration<double>(Clock::now() - began).count());
  }
  return figure;
}

std::vector<std::unique_ptr<Process>> processes(
    std::size_t count, const std::string& url, const std::function<std::shared_ptr<Feed>()>& feed) {
  std::vector<std::unique_ptr<Process>> all;
  while (all.size() < count) all.push_back(std::make_unique<Process>(url, feed()));
  return all;
}

}  // namespace

void bench_followers(const Options& options, Report& report) {
  if (!postgres_wanted(options, report, "followers", "followers_0", "followers_1", "followers_10",
                       "followers_100", "subscribers_1", "subscribers_10", "subscribers_100"))
    return;
  for (const std::size_t count : {0U, 1U, 10U, 100U}) {
    const std::string subject = "followers_" + std::to_string(count);
    if (!options.wants(subject)) continue;
    Counted counted;
    const test::RedisServer redis;
    RedisFeed feed(redis.socket_url());
    const HandingOn worker(counted.url(), feed);
    const auto following = processes(
        count, counted.url(), [&] { return std::make_shared<RedisFeed>(redis.socket_url()); });
    report.add(measure_followers(options, subject, counted));
  }
  for (const std::size_t count : {1U, 10U, 100U}) {
    const std::string subject = "subscribers_" + std::to_string(count);
    if (!options.wants(subject)) continue;
    Counted counted;
    const auto reading = processes(count, counted.url(), [] { return nullptr; });
    report.add(measure_followers(options, subject, counted));
  }
}

#else

void bench_followers(const Options& /*options*/, Report& report) {
  report.absent("followers", "followers_1", "querymark with PostgreSQL and Redis");
}

#endif

}  // namespace querymark::bench

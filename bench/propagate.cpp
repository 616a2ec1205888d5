#include "propagate.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <future>
#include <random>
#include <stdexcept>
#include <thread>

#include "rounds.hpp"
#include "sqlite_item.hpp"
#include "support/child.hpp"
#ifdef QUERYMARK_BENCH_POSTGRES
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/result>

#include "postgres_item.hpp"
#endif

// From the moment a commit is acknowledged in this process until another process has applied its
// invalidation. Both read the same monotonic clock. Applied before the acknowledgement counts as 0.
// `write` returns later than that: it reads the log once more. Its marks, which a thread watches,
// move as soon as the commit is acknowledged.

namespace querymark::bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

const Target& probe() {
  static const Target target = entity("probe", 1);
  return target;
}

std::int64_t now_ns() { return std::chrono::nanoseconds(Clock::now().time_since_epoch()).count(); }

// Waits until the probe's mark has moved on from `seen`; returns when that was.
std::int64_t await_probe(const Marks& marks, std::uint64_t& seen) {
  const TargetId target = probe().id();
  while (marks.table().generation(target) == seen) std::this_thread::sleep_for(microseconds(20));
  const std::int64_t moved = now_ns();
  seen = marks.table().generation(target);
  return moved;
}

// A process as far as caching goes.
template <class Database>
struct Member {
  template <class Options>
  Member(const std::string& url, Options options) : database(url, cache, std::move(options)) {}
  Cache cache;
  Database database;
};
using SqliteMember = Member<sqlite::Database>;

// Runs `work` with a member of its own on the database that the URL names.
template <class Work>
void as_member(const std::string& url, Work&& work) {
#ifdef QUERYMARK_BENCH_POSTGRES
  if (postgres::is_url(url)) {
    Member<postgres::Database> member(url, postgres_item_options());
    work(member.database);
    return;
  }
#endif
  SqliteMember member(url, item_options());
  work(member.database);
}

void say(const std::string& line) {
  if (std::printf("%s\n", line.c_str()) < 0 || std::fflush(stdout) != 0)
    throw std::runtime_error("nobody listens");
}

std::string own_program() { return "/proc/self/exe"; }

std::int64_t heard_ns(test::Child& child) {
  const std::string line = child.hear();
  std::int64_t ns = 0;
  if (std::from_chars(line.data(), line.data() + line.size(), ns).ec != std::errc())
    throw std::runtime_error("the other process: " + line);
  return ns;
}

void expect_ready(test::Child& child) {
  if (const std::string line = child.hear(); line != "ready")
    throw std::runtime_error("the other process: " + line);
}

// `write(i)` commits a change with an intent for the probe, and returns when the commit was
// acknowledged.
Figure measure(const std::string& subject, const std::string& url, std::size_t writes,
               const std::function<std::int64_t(std::size_t)>& write) {
  test::Child watcher({own_program(), "--watch", url});
  expect_ready(watcher);
  Figure figure{.bench = "propagate", .subject = subject, .unit = "ms"};
  std::mt19937 random(1);
  for (std::size_t i = 0; i < writes; ++i) {
    std::this_thread::sleep_for(microseconds(500 + random() % 5000));
    const std::int64_t acknowledged = write(i);
    const std::int64_t applied = heard_ns(watcher);
    figure.runs.push_back(static_cast<double>(std::max<std::int64_t>(0, applied - acknowledged)) /
                          1e6);
  }
  std::vector<double> sorted = figure.runs;
  std::sort(sorted.begin(), sorted.end());
  figure.more["p99"] = sorted[sorted.size() * 99 / 100];
  return figure;
}

// Writes through the library.
template <class Database>
class Writer {
 public:
  explicit Writer(Database& database) : database_(database) {}

  std::int64_t operator()(std::size_t i) {
    const Marks& marks = database_.source().marks();
    std::uint64_t seen = marks.table().generation(probe().id());
    auto acknowledged = std::async(std::launch::async, [&] {
      prctl(PR_SET_TIMERSLACK, 1);  // short sleeps are short
      return await_probe(marks, seen);
    });
    database_.write([i](Transaction& tx) {
      tx.execute("update counter set value = $1 where id = 1", i);
      tx.invalidate(probe());
    });
    return acknowledged.get();
  }

 private:
  Database& database_;
};

#ifdef QUERYMARK_BENCH_POSTGRES

double count_beside(const std::string& url) {
  pqxx::connection connection(url);
  pqxx::nontransaction plain(connection);
  return plain.exec("select sum(value) from counter where id > 1")[0][0].as<double>();
}

Figure measure_beside(const std::string& url, std::size_t writes,
                      const std::function<std::int64_t(std::size_t)>& write) {
  constexpr unsigned kRate = 1000;
  test::Child beside({own_program(), "--write-beside", url, "--rate", std::to_string(kRate)});
  expect_ready(beside);
  const double count = count_beside(url);
  const std::int64_t began = now_ns();
  Figure figure = measure("postgres_1000wps", url, writes, write);
  figure.more["writes_per_second"] =
      (count_beside(url) - count) / (static_cast<double>(now_ns() - began) / 1e9);
  return figure;
}

// A writer without the library rings nobody: what every doorbell lost comes to.
Figure measure_no_doorbell(const std::string& url, std::size_t writes) {
  pqxx::connection connection(url);
  pqxx::nontransaction plain(connection);
  Figure figure = measure("postgres_no_doorbell", url, writes, [&](std::size_t i) {
    plain.exec("begin; update counter set value = " + std::to_string(i) +
               " where id = 1; select querymark.invalidate('bench', 'entity', "
               "querymark.target('probe', '1')); commit");
    return now_ns();
  });
  figure.more["poll_interval_ms"] =
      std::chrono::duration<double, std::milli>(postgres_item_options().poll_interval).count();
  return figure;
}

void bench_postgres(const Options& options, Report& report, std::size_t writes) {
  if (!postgres_wanted(options, report, "propagate", "postgres", "postgres_1000wps",
                       "postgres_no_doorbell"))
    return;
  const ItemDatabase server(0);
  Member<postgres::Database> self(server.url(), postgres_item_options());
  if (options.wants("postgres"))
    report.add(measure("postgres", server.url(), writes, Writer(self.database)));
  if (options.wants("postgres_1000wps"))
    report.add(measure_beside(server.url(), writes, Writer(self.database)));
  if (options.wants("postgres_no_doorbell"))
    report.add(measure_no_doorbell(server.url(), writes / 2));
}

#endif

}  // namespace

void watch_probe(const std::string& url) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  prctl(PR_SET_TIMERSLACK, 1);  // short sleeps are short
  as_member(url, [](auto& database) {
    const Marks& marks = database.source().marks();
    std::uint64_t seen = marks.table().generation(probe().id());
    say("ready");
    for (;;) say(std::to_string(await_probe(marks, seen)));
  });
}

void write_beside(const std::string& url, unsigned rate) {
  constexpr unsigned kThreads = 4;
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  as_member(url, [&](auto& database) {
    const auto write = [&](unsigned thread) {
      const auto step = std::chrono::nanoseconds(std::chrono::seconds(kThreads)) / rate;
      auto next = Clock::now();
      for (std::int64_t i = 0;; ++i) {
        database.write([&](Transaction& tx) {
          tx.execute("update counter set value = value + 1 where id = $1", 2 + thread);
          tx.invalidate(entity("beside", thread, i));
        });
        next += step;
        std::this_thread::sleep_until(next);
      }
    };
    std::vector<std::jthread> threads;
    for (unsigned thread = 1; thread < kThreads; ++thread) threads.emplace_back(write, thread);
    say("ready");
    write(0);
  });
}

void bench_propagate(const Options& options, Report& report) {
  const std::size_t writes = options.runs * 60;
  if (options.wants("sqlite")) {
    const ItemFile file(10);
    SqliteMember self(file.path(), item_options());
    report.add(measure("sqlite", file.path(), writes, Writer(self.database)));
  }
#ifdef QUERYMARK_BENCH_POSTGRES
  bench_postgres(options, report, writes);
#endif
}

}  // namespace querymark::bench

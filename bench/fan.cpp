#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#ifdef QUERYMARK_BENCH_POSTGRES
#include "postgres_item.hpp"
#endif
#include "propagate.hpp"
#include "rounds.hpp"
#include "sqlite_item.hpp"
#include "support/child.hpp"

// What the log costs as processes grow: what each of them does besides its queries (follow the log,
// listen, beat), at no writes, at a few and at many. Looks at the log of all together, a second; the
// cores that they take, on PostgreSQL of the server, on SQLite, which has none, of their own; and how
// long a commit takes to be applied by one of them.

namespace querymark::bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using namespace std::chrono_literals;

constexpr auto kSpan = 4s;

/// A process's worth of following.
template <class Log, class Bell>
struct Follower {
  template <class Options>
  explicit Follower(const std::string& url, const Options& options)
      : log(url, options.namespace_name),
        subscribers(log.subscribers()),
        doorbell(bell_of(url, log)),
        subscriber(options.namespace_name, log, doorbell, marks,
                   {.max_lag = options.max_lag,
                    .poll_interval = options.poll_interval,
                    .subscribers = subscribers.get()}) {
    subscriber.start();
  }
  static Bell bell_of(const std::string& url, Log& log) {
    if constexpr (std::is_constructible_v<Bell, Log&>)
      return Bell(log);
    else
      return Bell(url);
  }

  Marks marks{4096};
  Log log;
  std::unique_ptr<Subscribers> subscribers;
  Bell doorbell;
  Subscriber subscriber;
};

struct OnSqlite {
  using Database = sqlite::Database;
  using Member = Follower<sqlite::Log, sqlite::FileDoorbell>;
  static constexpr const char* kCores = "cores";
  static sqlite::Options options() { return item_options(); }
  // Of this process but for this thread, which writes and looks for what has come of it.
  static double seconds() {
    const auto of = [](int who) {
      rusage usage{};
      getrusage(who, &usage);
      const auto whole = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec;
      return static_cast<double>(whole) +
             static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    };
    return of(RUSAGE_SELF) - of(RUSAGE_THREAD);
  }
};

#ifdef QUERYMARK_BENCH_POSTGRES
// Seconds of processor time that the server and its processes have taken.
double server_seconds() {
  double ticks = 0;
  const std::string server = std::to_string(postgres_server_pid());
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "stat");
    std::string text;
    if (!std::getline(file, text)) continue;
    std::istringstream rest(text.substr(text.rfind(')') + 1));
    std::vector<std::string> fields{std::istream_iterator<std::string>(rest), {}};
    if (fields.size() < 16) continue;
    const bool own = entry.path().filename() == server;
    if (!own && fields[1] != server) continue;
    ticks += std::stod(fields[11]) + std::stod(fields[12]);
    if (own) ticks += std::stod(fields[13]) + std::stod(fields[14]);  // of those that have ended
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

struct OnPostgres {
  using Database = postgres::Database;
  using Member = Follower<postgres::Log, postgres::NotifyDoorbell>;
  static constexpr const char* kCores = "server_cores";
  static postgres::Options options() { return postgres_item_options(); }
  static double seconds() { return server_seconds(); }
};
#endif

template <class Member>
std::uint64_t polls_of(const std::vector<std::unique_ptr<Member>>& followers) {
  std::uint64_t polls = 0;
  for (const auto& follower : followers) polls += follower->subscriber.polls();
  return polls;
}

// Milliseconds from the end of a write until one of the followers has applied it.
double probe(Database& writer, const Marks& marks) {
  static const Target target = entity("probe", 1);
  const std::uint64_t seen = marks.table().generation(target.id());
  writer.write([](Transaction& tx) {
    tx.execute("update counter set value = value + 1 where id = 1");
    tx.invalidate(target);
  });
  const auto written = Clock::now();
  while (marks.table().generation(target.id()) == seen)
    std::this_thread::sleep_for(microseconds(50));
  return std::chrono::duration<double, std::milli>(Clock::now() - written).count();
}

template <class On>
Figure measure(const std::string& subject, const std::string& url, std::size_t count,
               unsigned rate) {
  using Member = typename On::Member;
  const auto options = On::options();
  std::vector<std::unique_ptr<Member>> followers;
  for (std::size_t i = 0; i < count; ++i)
    followers.push_back(std::make_unique<Member>(url, options));
  std::optional<test::Child> beside;
  if (rate > 0) {
    beside.emplace(std::vector<std::string>{"/proc/self/exe", "--write-beside", url, "--rate",
                                            std::to_string(rate)});
    if (const std::string line = beside->hear(); line != "ready")
      throw std::runtime_error("the other process: " + line);
  }
  Cache cache;
  typename On::Database writer(url, cache, options);
  std::this_thread::sleep_for(6s);  // all listen, and know by their heartbeats how many they are
  Figure figure{.bench = "fan", .subject = subject, .threads = count, .unit = "reads/s"};
  std::vector<double> latencies;
  std::mt19937 random(1);
  const std::uint64_t polls = polls_of(followers);
  const double cpu = On::seconds();
  const auto began = Clock::now();
  while (Clock::now() - began < kSpan) {
    if (rate == 0) {
      std::this_thread::sleep_for(100ms);
      continue;
    }
    std::this_thread::sleep_for(microseconds(2000 + random() % 20000));
    latencies.push_back(probe(writer, followers.front()->marks));
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  figure.runs.push_back(static_cast<double>(polls_of(followers) - polls) / seconds);
  figure.more[On::kCores] = (On::seconds() - cpu) / seconds;
  std::sort(latencies.begin(), latencies.end());
  if (!latencies.empty()) {
    figure.more["p50_ms"] = latencies[latencies.size() / 2];
    figure.more["p99_ms"] = latencies[latencies.size() * 99 / 100];
  }
  return figure;
}

struct Load {
  const char* subject;
  unsigned writes_per_second;
};

template <class On>
void measure_all(const Options& options, Report& report, const std::string& url,
                 std::initializer_list<Load> loads) {
  for (const Load& load : loads)
    for (const std::size_t count : {1U, 10U, 100U})
      if (options.wants(load.subject))
        report.add(measure<On>(load.subject, url, count, load.writes_per_second));
}

}  // namespace

void bench_fan(const Options& options, Report& report) {
  prctl(PR_SET_TIMERSLACK, 1);  // short sleeps are short
  {
    const ItemFile file(0);
    measure_all<OnSqlite>(options, report, file.path(),
                          {{"sqlite_idle", 0}, {"sqlite_300wps", 300}});
  }
#ifdef QUERYMARK_BENCH_POSTGRES
  if (!postgres_wanted(options, report, "fan", "postgres_idle", "postgres_300wps",
                       "postgres_1000wps"))
    return;
  const ItemDatabase database(0);
  measure_all<OnPostgres>(
      options, report, database.url(),
      {{"postgres_idle", 0}, {"postgres_300wps", 300}, {"postgres_1000wps", 1000}});
#endif
}

}  // namespace querymark::bench

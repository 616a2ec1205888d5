#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <stdexcept>
#include <thread>

#include "rounds.hpp"
#include "sqlite_item.hpp"

// From the moment a commit is acknowledged in this process until another process has applied its
// invalidation. Both read the same monotonic clock. Applied before the acknowledgement counts as 0.

namespace querymark::bench {
namespace {

using Clock = std::chrono::steady_clock;

std::int64_t now_ns() { return std::chrono::nanoseconds(Clock::now().time_since_epoch()).count(); }

// Tells when the marks of this process move on, until the pipe is closed.
[[noreturn]] void watch(const std::string& path, int out) {
  Cache cache;
  sqlite::Database database(path, cache, item_options());
  const Marks& marks = database.source().marks();
  std::uint64_t seen = marks.generation();
  std::int64_t message = 0;  // ready
  while (write(out, &message, sizeof(message)) == sizeof(message)) {
    while (marks.generation() == seen) std::this_thread::sleep_for(std::chrono::microseconds(20));
    message = now_ns();
    seen = marks.generation();
  }
  _exit(0);
}

std::int64_t receive(int in) {
  std::int64_t message = 0;
  if (read(in, &message, sizeof(message)) != sizeof(message))
    throw std::runtime_error("the other process died");
  return message;
}

}  // namespace

void bench_propagate(const Options& options, Report& report) {
  const ItemFile file(10);
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("no pipe");
  const pid_t child = fork();  // before this process has any thread
  if (child < 0) throw std::runtime_error("no process");
  if (child == 0) {
    close(ends[0]);
    watch(file.path(), ends[1]);
  }
  close(ends[1]);
  std::vector<double> latencies;
  {
    Cache cache;
    sqlite::Database database(file.path(), cache, item_options());
    std::mt19937 random(1);
    receive(ends[0]);
    const std::size_t writes = options.runs * 60;
    for (std::size_t i = 0; i < writes; ++i) {
      std::this_thread::sleep_for(std::chrono::microseconds(500 + random() % 5000));
      database.write([&](sqlite::Transaction& tx) {
        tx.execute("update counter set value = ? where id = 1", i);
        tx.invalidate(entity("counter", i));
      });
      const std::int64_t acknowledged = now_ns();
      const std::int64_t applied = receive(ends[0]);
      latencies.push_back(static_cast<double>(std::max<std::int64_t>(0, applied - acknowledged)) /
                          1e6);
    }
  }
  close(ends[0]);
  kill(child, SIGTERM);
  waitpid(child, nullptr, 0);
  std::vector<double> sorted = latencies;
  std::sort(sorted.begin(), sorted.end());
  report.add({.bench = "propagate",
              .subject = "sqlite",
              .unit = "ms",
              .runs = std::move(latencies),
              .more = {{"p99", sorted[sorted.size() * 99 / 100]}}});
}

}  // namespace querymark::bench

#ifdef QUERYMARK_BENCH_POSTGRES
#include <pqxx/connection>
#include <pqxx/result>
#include <pqxx/transaction>

#include "postgres_item.hpp"
#endif
#include <algorithm>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "rounds.hpp"

// A thousand threads of one process wait for a write of another: from the moment when this process
// has applied it until a waiter goes on, milliseconds, the median waiter of each run. That all of
// them wait before the write commits, its transaction is kept open meanwhile.

namespace querymark::bench {

#ifdef QUERYMARK_BENCH_POSTGRES
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kWaiters = 1000;

struct Write {
  explicit Write(const std::string& url) : connection(url), work(connection) {
    work.exec("select querymark.invalidate('bench', 'entity', querymark.target('probe', '1'))");
    position = std::stoull(work.exec("select pg_current_xact_id()::text")[0][0].c_str());
  }
  pqxx::connection connection;
  pqxx::work work;
  std::uint64_t position = 0;
};

std::vector<double> late_ms(postgres::Database& reader, postgres::Database& other,
                            const std::string& url) {
  Write write(url);
  const auto tick = [&] { other.write([](Transaction& tx) { tx.invalidate(entity("tick", 1)); }); };
  tick();  // the open one is no longer ahead of everything
  reader.catch_up();
  const Marks& marks = reader.source().marks();
  const Epoch epoch = marks.cursor().epoch;
  const Receipt receipt{"bench", epoch, {write.position}, {1}, 1};
  std::vector<Clock::time_point> released(kWaiters);
  std::vector<std::jthread> waiters;
  std::atomic<std::size_t> begun{0};
  std::atomic<std::size_t> ended{0};
  std::atomic<int> over{0};
  for (std::size_t i = 0; i < kWaiters; ++i)
    waiters.emplace_back([&, i] {
      ++begun;
      if (!reader.wait(receipt, Wait::local(std::chrono::minutes(1))).satisfied())
        throw std::runtime_error("a wait was not satisfied");
      released[i] = Clock::now();
      ++ended;
      over.wait(0);  // the end of a thread costs more than its wake-up
    });
  while (begun < kWaiters) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // until they sleep
  Clock::time_point applied;
  std::jthread watcher([&] {
    while (!marks.includes(epoch, receipt.position))
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    applied = Clock::now();
  });
  write.work.commit();
  tick();
  watcher.join();
  while (ended < kWaiters) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  over = 1;
  over.notify_all();
  waiters.clear();
  std::vector<double> late;
  for (const Clock::time_point at : released)
    late.push_back(std::max(0.0, std::chrono::duration<double, std::milli>(at - applied).count()));
  std::ranges::sort(late);
  return late;
}

}  // namespace
#endif

void bench_wait(const Options& options, Report& report) {
#ifdef QUERYMARK_BENCH_POSTGRES
  if (!postgres_wanted(options, report, "wait", "local_1000")) return;
  const ItemDatabase server(0);
  Cache cache, other_cache;
  postgres::Database reader(server.url(), cache, postgres_item_options());
  postgres::Database other(server.url(), other_cache, postgres_item_options());
  Figure figure{.bench = "wait", .subject = "local_1000", .unit = "ms"};
  double last = 0;
  for (std::size_t run = 0; run <= options.runs; ++run) {
    const std::vector<double> late = late_ms(reader, other, server.url());
    if (run == 0) continue;  // the first warms up
    figure.runs.push_back(late[late.size() / 2]);
    last = std::max(last, late.back());
  }
  figure.more["last"] = last;
  report.add(std::move(figure));
#else
  if (options.wants("local_1000")) report.absent("wait", "local_1000", "libpqxx-dev");
#endif
}

}  // namespace querymark::bench

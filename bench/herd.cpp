#include "herd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <stdexcept>
#include <thread>

#include "querymark/read/offload.hpp"

// A thousand callers ask for one key at once that nothing has: milliseconds from the first call to the
// last answer, and how many loads they took. Floors: one caller by himself, and as many threads that all hit.

namespace querymark::bench {
namespace {

// Threads that wait for a key, ask for it and wait for the next.
class Threads {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Threads(const PreparedQuery<Related, std::int64_t>& query)
      : query_(query), answered_(kHerd) {
    for (std::size_t i = 0; i < kHerd; ++i) threads_.emplace_back([this, i] { run(i); });
  }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads() {
    over_ = true;
    gate_.arrive_and_wait();
  }

  // Nanoseconds.
  [[nodiscard]] double ask(std::int64_t key) {
    key_ = key;
    began_ = Clock::time_point::max();
    gate_.arrive_and_wait();  // all begin
    gate_.arrive_and_wait();  // all have their answer
    if (failed_) throw std::runtime_error("herd: a caller got an error");
    const Clock::time_point last = *std::ranges::max_element(answered_);
    return std::chrono::duration<double, std::nano>(last - began_.load()).count();
  }

 private:
  void run(std::size_t i) {
    for (;;) {
      gate_.arrive_and_wait();
      if (over_) return;
      const Clock::time_point now = Clock::now();
      Clock::time_point first = began_.load();
      while (now < first && !began_.compare_exchange_weak(first, now)) {
      }
      try {
        use(query_(key_).front().count);
      } catch (const std::exception&) {
        failed_ = true;
      }
      answered_[i] = Clock::now();
      gate_.arrive_and_wait();
    }
  }

  const PreparedQuery<Related, std::int64_t>& query_;
  std::barrier<> gate_{static_cast<std::ptrdiff_t>(kHerd) + 1};
  std::int64_t key_ = 0;  // written while all wait
  std::atomic<Clock::time_point> began_{};
  std::vector<Clock::time_point> answered_;
  std::atomic<bool> failed_{false};
  std::atomic<bool> over_{false};
  std::vector<std::jthread> threads_;
};

void herd_blocking(const Options& options, Report& report, const ItemFile& file,
                   const std::string& subject, std::size_t permits) {
  const std::string hits = subject + "_hits";
  const bool with_hits = permits == 1 && options.wants(hits);
  if (!options.wants(subject) && !with_hits) return;
  ColdKeys cold(file, permits);
  Threads threads(cold.query());
  measure_herd(options, report, subject, cold, kHerd,
               [&](std::int64_t key) { return threads.ask(key); });
  if (!with_hits) return;
  measure_herd(options, report, hits, cold, kHerd, [&](std::int64_t key) {
    use(cold.query()(key).front().count);
    return threads.ask(key);
  });
}

}  // namespace

ColdKeys::ColdKeys(const ItemFile& file, std::size_t permits)
    : permits_(permits),
      cache_({.offload = std::make_shared<Offload>(
                  OffloadOptions{.threads = permits + 1, .queue = 2 * kHerd})}),
      database_(file.path(), cache_, item_options()),
      query_(database_.prepare<Related>(std::string(kReadJoin))
                 .tag(collection("item"))
                 .ttl(std::chrono::hours(1))
                 .policy({.loads_at_once = permits})) {}

// Categories below a number that is not cached; of the same cost, as there are not that many.
std::int64_t ColdKeys::next() {
  before_ = cache_.stats();
  return 1000 + ++key_;
}

std::uint64_t ColdKeys::loads(std::size_t callers) const {
  const CacheStats now = cache_.stats();
  const std::uint64_t loads = now.misses - before_.misses + now.bypassed - before_.bypassed;
  const std::uint64_t reads = now.reads() - before_.reads();
  if (loads == 0 || loads > permits_ || reads < callers)
    throw std::runtime_error(fmt::format(
        "herd: {} callers of a cold key took {} loads for {} reads", callers, loads, reads));
  return loads;
}

void measure_herd(const Options& options, Report& report, const std::string& subject,
                  ColdKeys& cold, std::size_t callers,
                  const std::function<double(std::int64_t key)>& work) {
  if (!options.wants(subject)) return;
  Figure figure{.bench = "herd", .subject = subject, .threads = callers, .unit = "ms"};
  std::uint64_t most = 0;
  for (std::size_t run = 0; run <= options.runs; ++run) {  // the first warms up
    const double ms = work(cold.next()) / 1e6;
    most = std::max(most, cold.loads(callers));
    if (run > 0) figure.runs.push_back(ms);
  }
  figure.more["loads"] = static_cast<double>(most);
  report.add(std::move(figure));
}

void bench_herd(const Options& options, Report& report) {
  const ItemFile file(kReadItems);
  {
    ColdKeys cold(file, 1);
    measure_herd(options, report, "one_caller", cold, 1, [&](std::int64_t key) {
      return elapsed_ns([&] { use(cold.query()(key).front().count); });
    });
  }
  herd_blocking(options, report, file, "blocking", 1);
  herd_blocking(options, report, file, "blocking_4_at_once", 4);
#ifdef QUERYMARK_BENCH_ASIO
  herd_async(options, report, file);
#endif
}

}  // namespace querymark::bench

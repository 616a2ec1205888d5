#include "rounds.hpp"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <thread>

namespace querymark::bench {

double elapsed_ns(const std::function<void()>& work) {
  const auto from = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - from).count();
}

double time_threads(Subject& subject, const std::vector<std::vector<Request>>& batches,
                    std::size_t threads, bool load, std::uint64_t* missed) {
  std::atomic<std::uint64_t> misses{0};
  std::vector<double> times(threads);
  std::barrier start(static_cast<std::ptrdiff_t>(threads));
  const auto run = [&](std::size_t t) {
    start.arrive_and_wait();
    times[t] = elapsed_ns([&] { misses += subject.serve(batches[t], load); }) /
               static_cast<double>(batches[t].size());
  };
  subject.begin();
  {
    std::vector<std::jthread> others;
    for (std::size_t t = 1; t < threads; ++t) others.emplace_back(run, t);
    run(0);
  }
  subject.end();
  if (missed != nullptr) *missed += misses;
  double sum = 0;
  for (const double time : times) sum += time;
  return sum / static_cast<double>(threads);
}

double p99_of_single(Subject& subject, std::span<const Request> requests) {
  std::vector<double> times;
  times.reserve(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const auto from = std::chrono::steady_clock::now();
    (void)subject.serve(requests.subspan(i, 1), false);
    const auto took = std::chrono::steady_clock::now() - from;
    times.push_back(std::chrono::duration<double, std::nano>(took).count());
  }
  const auto at = times.begin() + static_cast<std::ptrdiff_t>(times.size() * 99 / 100);
  std::nth_element(times.begin(), at, times.end());
  return *at;
}

}  // namespace querymark::bench

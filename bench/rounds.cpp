#include "rounds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <stdexcept>
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

void measure_hits_in_turns(const Options& options, Report& report, const std::string& bench,
                           const std::vector<NamedSubject>& subjects, std::uint32_t items,
                           std::size_t batch) {
  const std::vector<std::vector<Request>> batches{zipf_requests(batch, items, 1)};
  std::vector<Figure> figures;
  for (const NamedSubject& named : subjects) {
    for (std::uint32_t number = 0; number < items; ++number)
      named.subject->fill({key_of(number), number});
    figures.push_back({.bench = bench, .subject = named.name, .unit = "ns"});
  }
  for (std::size_t run = 0; run <= options.runs; ++run)  // the first warms up
    for (std::size_t i = 0; i < subjects.size(); ++i) {
      if (!options.wants(subjects[i].name)) continue;
      std::uint64_t missed = 0;
      const double ns = time_threads(*subjects[i].subject, batches, 1, false, &missed);
      if (missed > 0)
        throw std::runtime_error(fmt::format("{}: not every request was a hit", bench));
      if (run > 0) figures[i].runs.push_back(ns);
    }
  for (Figure& figure : figures)
    if (!figure.runs.empty()) report.add(std::move(figure));
}

void measure_in_turns(const Options& options, Report& report, const std::string& bench,
                      const std::vector<Turn>& turns) {
  std::vector<Figure> figures;
  for (const Turn& turn : turns)
    figures.push_back({.bench = bench, .subject = turn.subject, .unit = "us"});
  for (std::size_t run = 0; run <= options.runs; ++run)
    for (std::size_t i = 0; i < turns.size(); ++i) {
      if (!options.wants(turns[i].subject)) continue;
      const double us = turns[i].work() / 1000 / static_cast<double>(turns[i].count);
      if (run > 0) figures[i].runs.push_back(us);
    }
  for (std::size_t i = 0; i < turns.size(); ++i) {
    if (figures[i].runs.empty()) continue;
    if (const Figure* peer = report.find(bench, turns[i].peer))
      figures[i].more["x_peer"] = figures[i].median() / peer->median();
    report.add(std::move(figures[i]));
  }
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

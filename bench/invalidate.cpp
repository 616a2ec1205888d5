#include <stdexcept>

#include "querymark/querymark.hpp"
#include "rounds.hpp"
#include "sqlite_item.hpp"

// How long it takes to invalidate a tag, by the number of entries that carry it; and how many
// entries die that nobody invalidated, after 100,000 distinct targets were.

namespace querymark::bench {
namespace {

ReadOptions tagged(std::string_view tag_name) {
  return {.tags = {tag(tag_name)}, .ttl = std::chrono::hours(1)};
}

Figure time_invalidation(const Options& options, Cache& cache, std::string_view name,
                         std::size_t entries) {
  const ReadOptions with = tagged(name);
  const auto read = [&](std::size_t i) {
    return cache.get_or_load<int>(std::string(name) + std::to_string(i), with, [] { return 1; });
  };
  for (std::size_t i = 0; i < entries; ++i) (void)read(i);
  if (!read(entries / 2).outcome().is_hit()) throw std::runtime_error("the entries were not kept");
  Figure figure{
      .bench = "invalidate", .subject = "querymark_" + std::to_string(entries), .unit = "ns"};
  constexpr int kCalls = 2000;
  const Target target = tag(name);
  for (std::size_t run = 0; run <= options.runs; ++run) {
    const double ns = elapsed_ns([&] {
                        for (int i = 0; i < kCalls; ++i) cache.invalidate(target);
                      }) /
                      kCalls;
    if (run > 0) figure.runs.push_back(ns);
  }
  for (std::size_t i = 0; i < entries; i += entries / 10)
    if (read(i).outcome().is_hit()) throw std::runtime_error("an invalidated entry was served");
  return figure;
}

}  // namespace

void bench_invalidate(const Options& options, Report& report) {
  Cache cache({.memory_bytes = 256U << 20U});
  Figure few = time_invalidation(options, cache, "few", 10);
  Figure many = time_invalidation(options, cache, "many", 100'000);
  report.add(std::move(few));
  report.add(std::move(many));
}

void bench_false_invalidation(const Options& options, Report& report) {
  constexpr std::uint32_t kItems = 50'000;
  constexpr int kTargets = 100'000;
  constexpr int kPerWrite = 1000;
  const ItemFile file(kItems);
  Figure figure{.bench = "false_invalidation", .subject = "querymark", .unit = "percent"};
  for (std::size_t run = 0; run < std::min<std::size_t>(options.runs, 3); ++run) {
    Cache cache({.memory_bytes = 256U << 20U});
    sqlite::Database database(file.path(), cache, item_options());
    const auto query = prepare_item(database);
    for (std::uint32_t i = 0; i < kItems; ++i) (void)query(key_of(i).view());
    for (int i = 0; i < kTargets; i += kPerWrite)
      database.write([&](sqlite::Transaction& tx) {
        for (int j = i; j < i + kPerWrite; ++j) tx.invalidate(entity("written", run, j));
      });
    int missed = 0;
    for (std::uint32_t i = 0; i < kItems; ++i)
      if (!query(key_of(i).view()).outcome().is_hit()) ++missed;
    figure.runs.push_back(100.0 * missed / kItems);
  }
  report.add(std::move(figure));
}

}  // namespace querymark::bench

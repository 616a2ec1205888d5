#include "querymark/read/cache.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <utility>

#include "querymark/key/shown_parameters.hpp"
#include "querymark/mark/marks.hpp"
#include "querymark/observe/metrics.hpp"
#include "querymark/read/source.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/excerpt.hpp"

namespace querymark {
namespace {

CacheOptions checked(CacheOptions options) {
  if (options.memory_bytes < (1U << 20U))
    throw ConfigError("memory_bytes must be at least 1 MiB, not " +
                      std::to_string(options.memory_bytes));
  return options;
}

std::string shown(const HotList::Spot& spot) {
  if (spot.encoded) return shown_parameters(spot.bytes);
  if (spot.bytes.empty()) return "(a tag of rows)";
  return spot.cut ? excerpt(spot.bytes + ' ', spot.bytes.size()) : spot.bytes;
}

}  // namespace

Cache::Cache(CacheOptions options)
    : options_(checked(std::move(options))), core_(options_.memory_bytes, *options_.clock) {}

Cache::~Cache() {
  local_.reset();
  if (core_.domains.empty()) return;
  // Going on would leave databases with a dangling cache, and a destructor must not throw.
  std::fprintf(stderr, "querymark: cache \"%s\" was destroyed before its databases\n",
               options_.name.c_str());
  std::abort();
}

Source& Cache::local() {
  std::call_once(local_once_, [this] {
    constexpr std::size_t kCells = (1U << 20U) / MarkTable::kCellBytes;
    SourceOptions options;
    options.mark_cells = std::min(kCells, core_.domains.cells(0));
    auto source = std::make_unique<Source>(*this, std::move(options));
    source->marks().trust_until(MonotonicTime::max());  // its writers are in this process
    local_ = std::move(source);
  });
  return *local_;
}

void Cache::invalidate(const Target& target) {
  const MarkUpdate update = MarkUpdate::of(target);
  local().marks().apply_unconfirmed({&update, 1});
}

std::size_t Cache::purge() {
  return core_.memory.purge([this](const Entry& entry) { return core_.is_dead(entry); });
}

CacheStats Cache::stats() const {
  CacheStats stats{core_.queries.totals()};
  stats.evictions = core_.memory.evictions();
  stats.entries = core_.memory.entries();
  stats.entry_bytes = core_.memory.bytes();
  stats.prefix_bytes = core_.prefixes.bytes();
  stats.capacity_bytes = options_.memory_bytes;
  stats.mark_bytes = core_.domains.bytes();
  stats.false_invalidation_estimate = core_.domains.false_invalidation_estimate();
  return stats;
}

HotStats Cache::hot(std::size_t most) const {
  const auto spots = [most](const HotList& list) {
    std::vector<HotSpot> all;
    for (const HotList::Spot& spot : list.top(most))
      all.push_back({.query = spot.query != nullptr ? spot.query->name : std::string(),
                     .what = shown(spot),
                     .count = spot.count,
                     .error = spot.error});
    return all;
  };
  const HotLists& hot = core_.hot;
  return {.reads = spots(hot.reads),
          .misses = spots(hot.misses),
          .deaths = spots(hot.deaths),
          .killers = spots(hot.killers)};
}

void Cache::forget_hot() {
  for (HotList* const list :
       {&core_.hot.reads, &core_.hot.misses, &core_.hot.deaths, &core_.hot.killers})
    list->clear();
}

void Cache::add_hot_metrics(Metrics& metrics, std::size_t most) const {
  const HotStats hot = this->hot(most);
  for (const auto& [of, spots] :
       {std::pair("reads", &hot.reads), std::pair("misses", &hot.misses),
        std::pair("deaths", &hot.deaths), std::pair("killers", &hot.killers)})
    for (const HotSpot& spot : *spots) metrics.add(spot, {{"cache", name()}, {"of", of}});
}

void Cache::add_metrics(Metrics& metrics) const {
  const MetricLabels labels{{"cache", name()}};
  metrics.add(stats(), labels);
  for (const QueryStats& query : query_stats()) metrics.add(query, labels);
}

}  // namespace querymark

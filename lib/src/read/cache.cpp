#include "querymark/read/cache.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>

#include "querymark/mark/marks.hpp"
#include "querymark/read/source.hpp"
#include "querymark/support/error.hpp"

namespace querymark {
namespace {

// 16 KiB: 100 targets invalidated in an entry's life kill one unrelated entry in a hundred.
constexpr std::size_t kLeastMarkCells = 1024;

const CacheOptions& checked(const CacheOptions& options) {
  if (options.memory_bytes < (1U << 20U))
    throw ConfigError("memory_bytes must be at least 1 MiB, not " +
                      std::to_string(options.memory_bytes));
  return options;
}

}  // namespace

Cache::Cache(CacheOptions options)
    : options_(std::move(options)), memory_(checked(options_).memory_bytes) {
  memory_.set_prefixes(prefixes_);
  memory_.set_dead_test([this](const Entry& entry) { return is_dead(entry); });
}

Cache::~Cache() {
  local_.reset();
  if (sources_.empty()) return;
  // Going on would leave databases with a dangling cache, and a destructor must not throw.
  std::fprintf(stderr, "querymark: cache \"%s\" was destroyed before its databases\n",
               options_.name.c_str());
  std::abort();
}

Source& Cache::local() {
  std::call_once(local_once_, [this] {
    constexpr std::size_t kCells = (1U << 20U) / MarkTable::kCellBytes;
    SourceOptions options;
    options.mark_cells = std::min(kCells, mark_cells(0));
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

bool Cache::is_dead(const Entry& entry) const {
  if (entry.expires() <= clock().coarse_now()) return true;
  const std::shared_lock lock(sources_mutex_);
  const auto found = sources_.find(entry.domain());
  return found == sources_.end() ||
         !found->second.marks->unchanged_since(entry.generation(), entry.targets());
}

std::size_t Cache::purge() {
  return memory_.purge([this](const Entry& entry) { return is_dead(entry); });
}

std::size_t Cache::mark_bytes() const {
  std::size_t taken = 0;
  for (const auto& [id, source] : sources_) taken += source.mark_bytes;
  return taken;
}

std::size_t Cache::mark_cells(std::size_t asked) const {
  const std::size_t half = options_.memory_bytes / 2;
  const std::shared_lock lock(sources_mutex_);
  const std::size_t taken = mark_bytes();
  if (asked != 0) {
    const std::size_t room = (half - std::min(taken, half)) / MarkTable::kCellBytes;
    if (asked > std::max(room, kLeastMarkCells))
      throw ConfigError("mark tables of " + std::to_string(asked) + " cells of " +
                        std::to_string(MarkTable::kCellBytes) + " bytes, and of " +
                        std::to_string(taken) +
                        " bytes before them, would take more than half of memory_bytes = " +
                        std::to_string(options_.memory_bytes) + "; raise it, or lower mark_cells");
    return asked;
  }
  // A small table costs false invalidations, none costs the database: whoever comes late gets a
  // little, and the entries have what is left.
  const std::size_t left = half - std::min(taken, half);
  const std::size_t share = sources_.empty() ? left / 2 : left / 4;
  return std::clamp(share / MarkTable::kCellBytes, kLeastMarkCells, MarkTable::kDefaultSize);
}

MarkDomain Cache::attach(const Marks& marks, std::size_t mark_bytes) {
  std::size_t capacity = 0;
  MarkDomain domain{};
  {
    const std::unique_lock lock(sources_mutex_);
    const std::size_t taken = this->mark_bytes() + mark_bytes;
    if (taken > options_.memory_bytes / 4 * 3)
      throw ConfigError("memory_bytes = " + std::to_string(options_.memory_bytes) +
                        " is too little for one database more: " + std::to_string(sources_.size()) +
                        " have their mark tables in it; raise it");
    domain = static_cast<MarkDomain>(++last_domain_);
    sources_.emplace(domain, Attached{&marks, mark_bytes});
    capacity = options_.memory_bytes - taken;
  }
  memory_.set_capacity(capacity);
  return domain;
}

void Cache::detach(MarkDomain domain) noexcept {
  {
    const std::unique_lock lock(sources_mutex_);
    sources_.erase(domain);
  }
  memory_.purge([domain](const Entry& entry) { return entry.domain() == domain; });
}

CacheStats Cache::stats() const {
  CacheStats stats;
  stats.hits = counters_.hits.get();
  stats.degraded = counters_.degraded.get();
  stats.shared_hits = counters_.shared_hits.load();
  stats.misses = counters_.misses.load();
  stats.joined = counters_.joined.load();
  stats.bypassed = counters_.bypassed.load();
  stats.load_failures = counters_.load_failures.load();
  stats.expired = counters_.expired.load();
  stats.invalidated = counters_.invalidated.load();
  stats.targets_differed = counters_.targets_differed.load();
  stats.shared_stale = counters_.shared_stale.load();
  stats.stored = counters_.stored.load();
  stats.oversize = counters_.oversize.load();
  stats.late_fills = counters_.late_fills.load();
  stats.evictions = memory_.evictions();
  stats.entries = memory_.entries();
  stats.entry_bytes = memory_.bytes();
  stats.prefix_bytes = prefixes_.bytes();
  stats.capacity_bytes = options_.memory_bytes;
  const std::shared_lock lock(sources_mutex_);
  for (const auto& [id, source] : sources_) {
    stats.mark_bytes += source.mark_bytes;
    stats.false_invalidation_estimate =
        std::max(stats.false_invalidation_estimate, source.marks->table().false_rate(0));
  }
  return stats;
}

}  // namespace querymark

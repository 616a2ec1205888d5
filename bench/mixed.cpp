#include <memory>

#include "querymark/support/clock.hpp"
#include "rounds.hpp"
#include "tier_subject.hpp"

// Get or load: room for 100,000 of 1,000,000 items, Zipf 0.99. A load costs nothing but making the
// value, for everyone; so querymark is measured at its memory tier, below single flight and shared
// tiers, which the peers do not have.

namespace querymark::bench {
namespace {

constexpr std::uint32_t kItems = 1'000'000;
constexpr std::size_t kCapacity = 100'000;
constexpr std::size_t kBatch = 1'000'000;
constexpr std::size_t kWarmUps = 3;  // until the policies know their keys

}  // namespace

EntryRef TierPeer::make(const Request& request) const {
  KeyEncoder encoder(*prefix_);
  encoder.add(as_parameter(request.key.view()));
  const MonotonicTime now = system_clock().coarse_now();
  const auto hash = process_hash(request.key.view());
  const TargetId targets[] = {static_cast<TargetId>(hash >> 32U),
                              static_cast<TargetId>(hash & 0xFFFFFFFFU), static_cast<TargetId>(1)};
  return make_entry({.prefix = prefix_,
                     .parameters = encoder.key().parameters,
                     .hash = encoder.hash(),
                     .domain = MarkDomain{1},
                     .generation = 1,
                     .targets = targets,
                     .loaded = now,
                     .expires = now + std::chrono::hours(1)},
                    item_of(request.number), 0);
}

TierPeer::TierPeer(std::size_t capacity_entries)
    : prefix_(prefixes_.intern("item", KeyPrefix::Form::sql, {}, "select item by key")),
      tier_(capacity_entries * make({key_of(0), 0})->charge()) {}

void bench_mixed(const Options& options, Report& report) {
  struct Named {
    std::string name;
    std::unique_ptr<Subject> subject;
  };
  std::vector<Named> all;
  if (options.wants("querymark"))
    all.push_back({"querymark", std::make_unique<PeerSubject<TierPeer>>(kCapacity)});
  for (const PeerFactory& peer : all_peers()) {
    if (!peer.evicts || !options.wants(peer.name)) continue;
    if (peer.make)
      all.push_back({std::string(peer.name), peer.make(kCapacity)});
    else
      report.absent("mixed", peer.name, peer.package);
  }
  // Fresh requests for each run, so that nobody learns a batch by heart.
  const std::size_t rounds = std::min<std::size_t>(options.runs, 5);
  for (std::size_t threads = 1; threads <= 2; ++threads) {
    std::vector<Figure> figures;
    for (const Named& named : all)
      figures.push_back(
          {.bench = "mixed", .subject = named.name, .threads = threads, .unit = "ns"});
    std::vector<std::uint64_t> missed(all.size());
    for (std::size_t run = 0; run < rounds + kWarmUps; ++run) {
      const std::vector<std::vector<Request>> batches{
          zipf_requests(kBatch, kItems, threads * 100 + run * 2),
          zipf_requests(kBatch, kItems, threads * 100 + run * 2 + 1)};
      for (std::size_t s = 0; s < all.size(); ++s) {
        std::uint64_t misses = 0;
        const double ns = time_threads(*all[s].subject, batches, threads, true, &misses);
        if (run < kWarmUps) continue;
        figures[s].runs.push_back(ns);
        missed[s] += misses;
      }
    }
    for (std::size_t s = 0; s < all.size(); ++s) {
      figures[s].more["hit_ratio"] =
          1.0 - static_cast<double>(missed[s]) / static_cast<double>(rounds * kBatch * threads);
      report.add(std::move(figures[s]));
    }
  }
}

}  // namespace querymark::bench

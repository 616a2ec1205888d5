#include <stdexcept>

#include "policies.hpp"
#include "rounds.hpp"
#include "tier_subject.hpp"
#include "trace_file.hpp"

// Percent of requests that hit, every entry of the same weight. querymark is the shipped memory
// tier with its default sharding, given room for just `--size` entries.

namespace querymark::bench {

void bench_trace(const Options& options, Report& report) {
  if (options.trace.empty() || options.size == 0)
    throw std::runtime_error("trace needs --trace FILE and --size N");
  const std::vector<std::uint32_t> trace = read_trace(options.trace);
  const auto add = [&](std::string_view subject, std::uint64_t hits) {
    const double percent = 100.0 * static_cast<double>(hits) / static_cast<double>(trace.size());
    report.add({.bench = "trace",
                .subject = std::string(subject),
                .unit = "percent",
                .runs = {percent},
                .more = {{"size", static_cast<double>(options.size)},
                         {"requests", static_cast<double>(trace.size())}}});
  };
  if (options.wants("querymark")) {
    TierPeer tier(options.size);
    std::uint64_t hits = 0;
    for (const std::uint32_t number : trace) {
      const Request request{key_of(number), number};
      if (tier.get(request, [](const Item&) {}))
        ++hits;
      else
        tier.put(request);
    }
    if (tier.tier().entries() > options.size) throw std::runtime_error("more entries than room");
    add("querymark", hits);
  }
  if (options.wants("lru")) add("lru", lru_hits(trace, options.size));
  if (options.wants("s3_fifo")) add("s3_fifo", s3_fifo_hits(trace, options.size));
  if (options.wants("opt")) add("opt", opt_hits(trace, options.size));
}

}  // namespace querymark::bench

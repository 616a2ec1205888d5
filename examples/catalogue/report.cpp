#include "report.hpp"

#include <fmt/format.h>

#include <cmath>

namespace catalogue {
namespace {

// 1234567 -> 1,234,567
std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  return digits;
}

// A duration in the unit that reads best.
std::string readable(double nanoseconds) {
  if (nanoseconds <= 0) return "-";
  if (nanoseconds < 1e3) return fmt::format("{:.0f} ns", nanoseconds);
  if (nanoseconds < 1e6) return fmt::format("{:.1f} us", nanoseconds / 1e3);
  return fmt::format("{:.2f} ms", nanoseconds / 1e6);
}

std::string timing_line(const Timing& timing) {
  return fmt::format("  {:<32}{:>12}{:>14}{:>16}{:>12} x\n", timing.question,
                     readable(timing.direct_us * 1e3), readable(timing.memory_hit_ns),
                     readable(timing.file_tier_hit_us * 1e3),
                     grouped(static_cast<std::uint64_t>(std::llround(timing.speedup()))));
}

std::string line(std::string_view what, const std::string& value) {
  return fmt::format("  {:<46}{:>40}\n", what, value);
}

// Three significant places after the point are more than the clock knows.
double rounded(double value) { return std::round(value * 1000) / 1000; }

nlohmann::json timing_json(const Timing& timing) {
  return {{"direct_query_us", rounded(timing.direct_us)},
          {"memory_hit_ns", rounded(timing.memory_hit_ns)},
          {"file_tier_hit_us", rounded(timing.file_tier_hit_us)},
          {"speedup", rounded(timing.speedup())}};
}

}  // namespace

nlohmann::json Report::json() const {
  const Tally& t = exercised;
  nlohmann::json json = timing_json(measured.all);
  json["source"] = source;
  json["database"] = database;
  json["rows_imported"] = imported.packages + imported.dependencies;
  json["packages"] = imported.packages;
  json["dependencies"] = imported.dependencies;
  for (const Timing& timing : measured.questions)
    json["questions"][timing.question] = timing_json(timing);
  json["propagation_ms_p50"] = rounded(percentile(t.propagation_ms, 0.5));
  json["propagation_ms_p99"] = rounded(percentile(t.propagation_ms, 0.99));
  json["propagation_samples"] = t.propagation_ms.size();
  json["propagation_not_seen_coming"] = t.not_seen_coming;
  json["writes"] = t.bumps + t.removals + t.publications;
  json["version_bumps"] = t.bumps;
  json["removals"] = t.removals;
  json["publications"] = t.publications;
  json["hits"] = t.memory_hits + t.file_tier_hits;
  json["memory_hits"] = t.memory_hits;
  json["file_tier_hits"] = t.file_tier_hits;
  json["misses"] = t.misses;
  json["checked_reads"] = t.checked_reads;
  json["checked_hits"] = t.checked_hits;
  json["old_answers_cached"] = t.old_answers_cached;
  json["stale_reads_after_wait"] = t.stale_reads_after_wait;
  json["own_checked_reads"] = t.own_checked_reads;
  json["own_stale_reads"] = t.own_stale_reads;
  json["waits_not_satisfied"] = t.waits_not_satisfied;
  json["canary"] = canary;
  json["seconds"] = rounded(seconds);
  return json;
}

std::string Report::table() const {
  const Tally& t = exercised;
  std::string text =
      fmt::format("\nThe Debian catalogue of this machine ({}): {} packages, {} dependencies\n\n",
                  source, grouped(static_cast<std::uint64_t>(imported.packages)),
                  grouped(static_cast<std::uint64_t>(imported.dependencies)));
  text += fmt::format("  {:<32}{:>12}{:>14}{:>16}{:>14}\n", "median time to answer", database,
                      "memory hit", "file-tier hit", "speed-up");
  for (const Timing& timing : measured.questions) text += timing_line(timing);
  text += timing_line(measured.all);
  text += "\nTwo instances of the service, each reading what the other has just written\n\n";
  text += line("writes (bumps, removals, publications)",
               fmt::format("{} ({}, {}, {})", grouped(t.bumps + t.removals + t.publications),
                           grouped(t.bumps), grouped(t.removals), grouped(t.publications)));
  text += line("commit -> visible in the other (p50, p99)",
               fmt::format("{:.2f} ms, {:.2f} ms", percentile(t.propagation_ms, 0.5),
                           percentile(t.propagation_ms, 0.99)));
  text += line("hits (memory, file tier), misses",
               fmt::format("{} ({}, {}), {}", grouped(t.memory_hits + t.file_tier_hits),
                           grouped(t.memory_hits), grouped(t.file_tier_hits), grouped(t.misses)));
  text += line("reads compared with the database, hits of them",
               fmt::format("{}, {}", grouped(t.checked_reads), grouped(t.checked_hits)));
  text += line("stale reads after a satisfied wait", grouped(t.stale_reads_after_wait));
  text += line("stale reads of own writes", grouped(t.own_stale_reads));
  text += fmt::format("\n  {:.1f} s in all\n", seconds);
  return text;
}

std::string Report::complaint() const {
  const Tally& t = exercised;
  if (t.waits_not_satisfied > 0)
    return fmt::format("{} waits were not satisfied in time", t.waits_not_satisfied);
  if (canary) return t.stale_reads_after_wait > 0 ? "" : "the dropped invalidation did not show";
  if (t.stale_reads_after_wait > 0)
    return fmt::format("{} stale reads after a satisfied wait", t.stale_reads_after_wait);
  if (t.own_stale_reads > 0) return fmt::format("{} stale reads of own writes", t.own_stale_reads);
  if (t.checked_reads < 1000 || t.checked_hits * 2 < t.checked_reads)
    return fmt::format("only {} reads were checked, and {} of them were hits", t.checked_reads,
                       t.checked_hits);
  return "";
}

}  // namespace catalogue

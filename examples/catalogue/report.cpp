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

// Of the invalidations.
double share_needed(const Precision& precision) {
  return static_cast<double>(precision.needed) / static_cast<double>(precision.invalidated);
}

nlohmann::json precision_json(const Precision& precision) {
  nlohmann::json json = precision;
  json["not_needed"] = precision.invalidated - precision.needed;
  json["share_needed"] = nullptr;
  if (precision.invalidated > 0) json["share_needed"] = rounded(share_needed(precision));
  return json;
}

nlohmann::json precision_json(const Precisions& precisions) {
  nlohmann::json json = precision_json(sum_of(precisions));
  for (const auto& [question, precision] : precisions)
    json["questions"][question] = precision_json(precision);
  return json;
}

std::string share_text(const Precision& precision) {
  return precision.invalidated == 0 ? "-" : fmt::format("{:.1f} %", 100 * share_needed(precision));
}

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
  json["precision"] = precision_json(t.precision);
  json["tags"] = automatic ? "automatic" : "declared";
  if (automatic) {
    json["strangers_writes"] = t.strangers_writes;
    json["strangers_precision"] = precision_json(t.strangers_precision);
    json["unproven"] = t.unproven;
    json["audits_agreed"] = t.audits_agreed;
    json["audits_excused"] = t.audits_excused;
    json["audits_wrong"] = t.audits_wrong;
  }
  if (declared)
    json["declared"] = {{"writes", declared->bumps + declared->removals + declared->publications},
                        {"hits", declared->memory_hits + declared->file_tier_hits},
                        {"misses", declared->misses},
                        {"stale_reads_after_wait", declared->stale_reads_after_wait},
                        {"precision", precision_json(declared->precision)}};
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
  if (automatic) text += line("writes by strangers' sessions", grouped(t.strangers_writes));
  text += line("commit -> visible in the other (p50, p99)",
               fmt::format("{:.2f} ms, {:.2f} ms", percentile(t.propagation_ms, 0.5),
                           percentile(t.propagation_ms, 0.99)));
  if (declared)
    text += line("hits of the declared run, misses",
                 fmt::format("{}, {}", grouped(declared->memory_hits + declared->file_tier_hits),
                             grouped(declared->misses)));
  text += line("hits (memory, file tier), misses",
               fmt::format("{} ({}, {}), {}", grouped(t.memory_hits + t.file_tier_hits),
                           grouped(t.memory_hits), grouped(t.file_tier_hits), grouped(t.misses)));
  text += line("reads compared with the database, hits of them",
               fmt::format("{}, {}", grouped(t.checked_reads), grouped(t.checked_hits)));
  text += line("stale reads after a satisfied wait", grouped(t.stale_reads_after_wait));
  text += line("stale reads of own writes", grouped(t.own_stale_reads));
  if (automatic)
    text += line("hits audited: agreed, excused by a write, wrong",
                 fmt::format("{}, {}, {}", grouped(t.audits_agreed), grouped(t.audits_excused),
                             grouped(t.audits_wrong)));
  text += precision_table();
  text += fmt::format("\n  {:.1f} s in all\n", seconds);
  return text;
}

// Beside each other: what declared intents and what triggers do.
std::string Report::precision_table() const {
  struct Column {
    const char* name;
    const Precisions& precisions;
  };
  std::vector<Column> columns;
  if (declared) columns.push_back({"declared", declared->precision});
  columns.push_back({automatic ? "automatic" : "declared", exercised.precision});
  if (automatic) columns.push_back({"by strangers", exercised.strangers_precision});
  const auto row = [&](const std::string& what, const auto& value) {
    std::string text = fmt::format("  {:<44}", what);
    for (const Column& column : columns) text += fmt::format("{:>14}", value(column));
    return text + '\n';
  };
  const auto number = [&](const char* what, std::uint64_t Precision::* field) {
    return row(what, [&](const Column& c) { return grouped(sum_of(c.precisions).*field); });
  };
  std::string text = "\nWhat every 17th write did to all answers that the other instance held\n\n";
  text += row("", [](const Column& c) { return std::string(c.name); });
  text += number("answers held", &Precision::held);
  text += number("invalidated", &Precision::invalidated);
  text += number("  needed: the answer had changed", &Precision::needed);
  text += row("  not needed", [](const Column& c) {
    const Precision sum = sum_of(c.precisions);
    return grouped(sum.invalidated - sum.needed);
  });
  text += row("  share that was needed",
              [](const Column& c) { return share_text(sum_of(c.precisions)); });
  for (const auto& [question, ignored] : exercised.precision)
    text += row("    " + question, [&name = question](const Column& c) {
      const auto found = c.precisions.find(name);
      return share_text(found == c.precisions.end() ? Precision{} : found->second);
    });
  return text;
}

std::string Report::canary_song() const {
  const Tally& t = exercised;
  if (!automatic)
    return fmt::format(
        "canary: one invalidation was dropped on purpose, and {} stale reads showed it",
        t.stale_reads_after_wait);
  return fmt::format(
      "canary: one trigger was switched off where nothing tells of it. Stale reads: {}. The audit "
      "found {}, the first behind: {}",
      t.stale_reads_after_wait + t.own_stale_reads, t.audits_wrong,
      t.audit_found.empty() ? "" : t.audit_found.front());
}

std::string Report::complaint() const {
  const Tally& t = exercised;
  if (t.waits_not_satisfied > 0)
    return fmt::format("{} waits were not satisfied in time", t.waits_not_satisfied);
  if (canary && automatic)
    return t.audits_wrong > 0 ? "" : "the audit did not find the trigger that was switched off";
  if (canary) return t.stale_reads_after_wait > 0 ? "" : "the dropped invalidation did not show";
  if (t.stale_reads_after_wait > 0)
    return fmt::format("{} stale reads after a satisfied wait", t.stale_reads_after_wait);
  if (t.own_stale_reads > 0) return fmt::format("{} stale reads of own writes", t.own_stale_reads);
  if (t.audits_wrong > 0)
    return fmt::format("the audit found {} wrong answers, the first behind: {}", t.audits_wrong,
                       t.audit_found.empty() ? "" : t.audit_found.front());
  if (t.unproven > 0)
    return fmt::format("{} reads were not cached, since their query could not be analysed",
                       t.unproven);
  if (t.checked_reads < 1000 || t.checked_hits * 2 < t.checked_reads)
    return fmt::format("only {} reads were checked, and {} of them were hits", t.checked_reads,
                       t.checked_hits);
  return "";
}

}  // namespace catalogue

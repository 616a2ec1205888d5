#include "querymark/read/explanation.hpp"

#include <algorithm>
#include <utility>

#include "querymark/key/shown_parameters.hpp"
#include "querymark/key/tracked.hpp"
#include "querymark/observe/query_table.hpp"
#include "querymark/read/source.hpp"
#include "querymark/support/excerpt.hpp"

namespace querymark {
namespace {

std::string describe_time(std::chrono::nanoseconds time) {
  if (time < std::chrono::seconds(1))
    return fmt::format("{} ms",
                       std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
  return fmt::format("{} s", std::chrono::duration_cast<std::chrono::seconds>(time).count());
}

Presence presence_of(Source::Verdict verdict) noexcept {
  switch (verdict) {
    case Source::Verdict::fresh:
      return Presence::fresh;
    case Source::Verdict::expired:
      return Presence::expired;
    case Source::Verdict::targets_differ:
      return Presence::targets_differ;
    case Source::Verdict::invalidated:
      return Presence::invalidated;
    case Source::Verdict::other_domain:
      break;
  }
  return Presence::absent;
}

CauseOfDeath death_of(const Entry& entry, const Marks& marks, std::span<const Target> targets,
                      std::uint64_t stamp, MonotonicTime now) {
  CauseOfDeath death{.by = "everything"};
  if (const auto since = marks.outdated_since(stamp))
    death.ago = std::max(std::chrono::nanoseconds(0), now - *since);
  const auto id = marks.changed_since(stamp, entry.targets());
  if (!id) {
    death.position = marks.flushed_at(stamp);
    return death;
  }
  const Target definitions = schema_of_all();
  const auto ours = std::ranges::find(targets, *id, &Target::id);
  if (ours != targets.end())
    death.by = describe(*ours);
  else
    death.by = *id == definitions.id() ? describe(definitions) : "a tag of its rows";
  if (const Position position = marks.table().position(*id); position.value > 0)
    death.position = position;
  return death;
}

std::string describe_mark(const TargetMark& mark) {
  if (mark == TargetMark{}) return {};
  std::string text = fmt::format(" (mark {}", mark.generation);
  if (mark.position.value > 0) text.append(fmt::format(", position {}", mark.position.value));
  return text.append(")");
}

std::optional<Stored> reason_not_to_cache(const Source& source, const ReadOptions& options,
                                          bool wanted, MonotonicTime now) {
  if (source.disabled(options)) return Stored::disabled;
  if (!wanted) return Stored::unwanted;
  if (!source.marks().trusted(now)) return Stored::lagging;
  return std::nullopt;
}

void add_analysis(const Analysed& known, const detail::ExplainedText& text,
                  const ReadOptions& options, const Marks& marks, Explanation& found) {
  found.analysis = known.analysis;
  found.analysis_outdated = !known.holds(marks);
  if (found.not_cached || found.analysis_outdated) return;
  found.unproven = why_not_kept(known.analysis, text.parameters, options.untracked_ok);
  if (!found.unproven.empty()) found.not_cached = Stored::unproven;
}

std::string describe_analysis(const Explanation& found) {
  std::string text("\n  automatic ");
  if (!found.analysis)
    return text.append("tags, not found out yet: the next load asks the database");
  for (const char c : found.analysis->str())
    text.append(c == '\n' ? "\n          " : std::string(1, c));
  if (found.analysis_outdated)
    text.append("\n            outdated by a change of definitions: the next load asks anew");
  return text;
}

std::string describe_memory(const Explanation& found) {
  std::string text = fmt::format("{}", to_string(found.presence));
  if (found.presence == Presence::absent) return text;
  text.append(fmt::format(", {} old, {} {}, stamp {} of {}", describe_time(found.age),
                          describe_time(std::chrono::abs(found.left)),
                          found.left.count() >= 0 ? "to live" : "past its ttl", found.stamp,
                          found.generation));
  if (!found.death) return text;
  text.append("; invalidated by ").append(found.death->by);
  if (found.death->position)
    text.append(fmt::format(" at position {}", found.death->position->value));
  if (found.death->ago)
    text.append(fmt::format(", {} ago at most", describe_time(*found.death->ago)));
  return text;
}

}  // namespace

std::string describe(const Target& target) {
  if (target.is_flush()) return "everything";
  if (target.kind() == TargetKind::tracked) return describe_tracked(target.text());
  return fmt::format("{} {}", to_string(target.kind()), target.text());
}

std::string_view to_string(Presence presence) noexcept {
  switch (presence) {
    case Presence::absent:
      return "nothing";
    case Presence::fresh:
      return "a value that would be served";
    case Presence::untrusted:
      return "a value, but the log was not reached for max_lag";
    case Presence::expired:
      return "a value past its ttl";
    case Presence::invalidated:
      return "a value that was invalidated";
    case Presence::targets_differ:
      return "a value that was kept for other targets";
  }
  return "unknown";
}

Explanation detail::explain(Source& source, const CallKey& call, const ReadOptions& options,
                            std::vector<Target> targets, bool wanted, const ExplainedText* text) {
  const KeyPrefix& prefix = *call.view.prefix;
  const Scope& scope = source.options().scope;
  const Marks& marks = source.marks();
  const MonotonicTime now = source.cache().clock().now();
  const std::vector<TargetId> declared = ids_of(targets);
  const bool automatic = text != nullptr && source.automatic(options) && options.cached;
  const auto known =
      automatic ? source.analyses().last(text->session, prefix.text(), options.promises) : nullptr;
  if (known)
    for (Target& target : text->one_key ? targets_of_one_key(known->analysis, text->parameters)
                                        : targets_of(known->analysis, text->parameters))
      targets.push_back(std::move(target));
  targets.push_back(key_target(call.view));
  Explanation found{.name = prefix.record().name,
                    .text = std::string(prefix.text()),
                    .shared_name = query_name(call.view).hex(),
                    .parameter_bytes = call.view.parameters.size(),
                    .parameters = shown_parameters(call.view.parameters),
                    .namespace_name = scope.namespace_name,
                    .database = scope.database,
                    .scope = options.scope,
                    .targets = std::move(targets),
                    .tagged_by_rows = !options.row_tags.empty(),
                    .automatic = automatic,
                    .ttl = source.max_age(options),
                    .not_cached = reason_not_to_cache(source, options, wanted, now),
                    .generation = marks.generation()};
  if (known) add_analysis(*known, *text, options, marks, found);
  for (const Target& target : found.targets)
    found.marks.push_back(
        {marks.table().generation(target.id()), marks.table().position(target.id())});
  for (const auto& tier : source.tiers()) found.tiers.emplace_back(tier->label());
  // Nothing that the look finds out may change what it looks at: no stamp is raised.
  const EntryRef entry = source.cache().core().memory.find(call.view, call.hash);
  if (!entry || entry->domain() != source.domain()) return found;
  found.age = entry->age(now);
  const MonotonicTime end = std::min(entry->expires(), detail::after(entry->loaded(), found.ttl));
  found.left = end - now;
  found.stamp = entry->generation();
  found.presence = presence_of(source.glance(*entry, now, found.ttl, declared));
  if (found.presence == Presence::fresh && !marks.trusted(now))
    found.presence = Presence::untrusted;
  if (!marks.unchanged_since(found.stamp, entry->targets()))
    found.death = death_of(*entry, marks, found.targets, found.stamp, now);
  return found;
}

std::string describe(const Explanation& found) {
  std::string text = fmt::format("{}\n", found.name);
  text.append(
      fmt::format("  keyed by  {}\n            and ({}), {} bytes; shared tiers call it {}\n",
                  found.text, found.parameters, found.parameter_bytes, found.shared_name));
  text.append(fmt::format("  scoped by namespace {}, database {}", found.namespace_name,
                          found.database.empty() ? "of no id" : found.database));
  if (!found.scope.empty()) text.append(fmt::format(", {}", found.scope));
  text.append("\n  tagged    ");
  for (std::size_t i = 0; i < found.targets.size(); ++i)
    text.append(i == 0 ? "" : ", ")
        .append(describe(found.targets[i]))
        .append(describe_mark(found.marks[i]));
  if (found.tagged_by_rows) text.append(", and by its rows");
  if (found.automatic) text.append(describe_analysis(found));
  text.append(fmt::format("\n  cached    for {}", describe_time(found.ttl)));
  for (const std::string& tier : found.tiers)
    text.append(fmt::format(", below memory in {}", tier));
  if (found.not_cached) text.append(fmt::format("; not now: {}", to_string(*found.not_cached)));
  if (!found.unproven.empty()) text.append(": ").append(found.unproven);
  return text.append(fmt::format("\n  in memory {}\n", describe_memory(found)));
}

}  // namespace querymark

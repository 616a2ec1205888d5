#include "querymark/read/audit.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "querymark/follow/subscriber.hpp"
#include "querymark/key/tracked.hpp"
#include "querymark/read/offload.hpp"
#include "querymark/read/source.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/random.hpp"
#include "querymark/support/sql_text.hpp"
#include "read/detached.hpp"
#include "read/served.hpp"

// Why a difference proves a fault. The load sees what was committed before it, at least. After it the log is
// caught up with, so the marks have all invalidations of what the load has seen. Where they still let the old
// value be served, no invalidation tells of the difference. (Where they do not, the difference is excused:
// a write came in between.)

namespace querymark {
namespace {

void add_once(std::vector<std::string>& names, const std::string& name) {
  if (std::ranges::find(names, name) == names.end()) names.push_back(name);
}

// Which of its tables have changed, where these report it.
void add_relations(const Source& source, const ReadRequest& request, MonotonicTime loaded,
                   AuditFailure& failure) {
  try {
    const std::optional<Analysis> analysis = request.reads();
    if (!analysis) return;
    failure.why = analysis->why;
    for (const Occurrence& one : analysis->occurrences) {
      add_once(failure.reads, one.relation);
      if (source.marks().told_since(loaded, any_row_of(one.relation).id()).value_or(false))
        add_once(failure.changed, one.relation);
    }
  } catch (const std::exception& problem) {
    failure.why = std::string("what it reads can't be found out: ") + problem.what();
  }
}

// From where other processes would be served it. This one takes nothing from there that is older than the flush.
void remove_from_tiers(const Source& source, const ReadRequest& request) noexcept {
  for (const auto& tier : source.tiers()) {
    try {
      const Digest name = query_name(request.call.view);
      tier->remove(source.options().scope.namespace_name, {&name, 1});
    } catch (
        const std::
            exception&) {  // it is down, and judges nothing: other processes' audits find it again
    }
  }
}

void report(Source& source, const ReadRequest& request, MonotonicTime loaded) {
  const MarkUpdate everything = MarkUpdate::everything();
  source.marks().apply_unconfirmed({&everything, 1});
  remove_from_tiers(source, request);
  const auto& tell = source.options().audit.on_failure;
  if (!tell) return;
  AuditFailure failure{.query = std::string(request.call.view.prefix->text()),
                       .name = request.call.view.prefix->record().name};
  for (const Target& target : request.options.tags) failure.targets.push_back(target.text());
  add_relations(source, request, loaded, failure);
  tell(failure);
}

void audit(Source& source, ReadRequest& request, const std::string& /*name*/) {
  CacheCore& core = source.cache().core();
  ReadCounters& counters = request.call.view.prefix->record().counters;
  const MonotonicTime now = core.clock.coarse_now();
  const EntryRef kept = source.find_old(request.call, {});
  if (!kept || !served(source, *kept, request.options, now, {}))
    return;  // nobody is served it any more
  const Loaded fresh = request.load({.prefix = KeyPrefixRef(request.call.view.prefix),
                                     .parameters = request.call.view.parameters,
                                     .hash = request.call.hash,
                                     .domain = source.domain(),
                                     .generation = source.marks().generation(),
                                     .loaded = now,
                                     .expires = MonotonicTime::max()});
  if (Subscriber* const subscriber = source.subscriber()) subscriber->catch_up();
  const std::optional<bool> same = request.same(*kept, *fresh.entry);
  if (!same) {
    counters.audits_incomparable.fetch_add(1);
  } else if (*same) {
    counters.audits_agreed.fetch_add(1);
  } else if (!source.marks().unchanged_since(kept->generation(), kept->targets())) {
    counters.audits_excused.fetch_add(1);
  } else {
    counters.audits_wrong.fetch_add(1);
    report(source, request, kept->loaded());
  }
}

}  // namespace

void audit_later(Source& source, const ReadRequest& request) noexcept {
  try {
    const auto always = [](const std::string& /*name*/) { return true; };
    const Offloaded became = submit_own(source, request, "audit", always, audit);
    if (became == Offloaded::accepted || became == Offloaded::duplicate) return;
  } catch (
      ...) {  // no memory, or a tagger of the caller's, which may throw anything: counted as well
  }
  request.call.view.prefix->record().counters.refreshes_refused.fetch_add(1);
}

std::string AuditFailure::str() const {
  std::string text = "nobody told of a change behind ";
  text.append(quoted_sql(query));
  const auto list = [&text](const std::vector<std::string>& names) {
    for (const std::string& one : names) text.append(&one == names.data() ? " " : ", ").append(one);
  };
  if (!changed.empty()) {
    text.append(": none of its tags is of");
    list(changed);
    text.append(", where triggers have reported one");
  } else if (!reads.empty()) {
    text.append(": it reads");
    list(reads);
    text.append(", of which no change was reported");
  }
  if (!why.empty()) text.append("; ").append(why);
  return text;
}

namespace detail {

void require_sensible(const AuditOptions& options, bool has_executor) {
  if (!(options.share >= 0) || options.share > 1)
    throw ConfigError("audit.share is a share of the hits: from 0 to 1");
  if (options.share > 0 && !has_executor)
    throw ConfigError(
        "an audit runs in the background: give the cache an executor (CacheOptions::offload)");
}

std::uint32_t audited_one_of(const AuditOptions& options) noexcept {
  if (options.share <= 0) return 0;
  constexpr double kMost = std::numeric_limits<std::int32_t>::max();
  return static_cast<std::uint32_t>(std::clamp(std::round(1 / options.share), 1.0, kMost));
}

// From 1 to 2n - 1: n on average, and no rhythm of the application's is missed.
bool AuditCountdown::start(std::uint32_t one_of) noexcept {
  const bool first = left == 0;
  static thread_local std::uint64_t state = process_hash("audit") | 1U;
  state ^= state << 13U;  // xorshift64: Marsaglia, "Xorshift RNGs", 2003
  state ^= state >> 7U;
  state ^= state << 17U;
  left = 1 + static_cast<std::uint32_t>(state % (2ULL * one_of - 1));
  return !first || one_of == 1;
}

}  // namespace detail
}  // namespace querymark

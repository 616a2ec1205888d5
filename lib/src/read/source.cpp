#include "querymark/read/source.hpp"

#include <algorithm>
#include <optional>

#include "memory/search.hpp"
#include "querymark/read/offload.hpp"
#include "querymark/support/bytes.hpp"
#include "querymark/support/error.hpp"
#include "read/hot_name.hpp"

namespace querymark {
namespace {

// A namespace travels in receipts and stands in every row of the log.
SourceOptions checked(SourceOptions options, const Cache& cache) {
  constexpr std::size_t kMaxNamespace = 200;
  if (options.scope.namespace_name.size() > kMaxNamespace ||
      !is_plain_utf8(options.scope.namespace_name))
    throw ConfigError("a namespace must be UTF-8 without NUL, of at most " +
                      std::to_string(kMaxNamespace) + " bytes");
  detail::not_negative(options.default_ttl, "default_ttl");
  detail::require_sensible(options.audit, cache.options().offload != nullptr);
  return options;
}

// In the place of a target's id, which is shorter.
constexpr std::uint64_t kEverything = ~std::uint64_t{0};

}  // namespace

Source::Source(Cache& cache, SourceOptions options)
    : cache_(cache),
      options_(checked(std::move(options), cache)),
      marks_(cache.core().domains.cells(options_.mark_cells), &cache.core().clock),
      domain_(cache.core().attach(marks_)),
      flights_(options_.load_budget) {}

Source::~Source() {
  end_background();
  life_.reset();  // before anything that a handle could touch goes
  cache_.core().detach(domain_);
}

void Source::end_background() noexcept {
  if (Offload* const offload = cache_.options().offload.get()) offload->leave(this);
}

void Source::attach(std::shared_ptr<SharedTier> tier, StampProof* proof) {
  if (read_before_.load())
    throw ConfigError("attach() after the first read: a tier is attached before anything is read");
  tiers_.push_back(std::move(tier));
  if (proof != nullptr) proof_ = proof;
}

KeyPrefixRef Source::prefix(std::string_view stored_type, KeyPrefix::Form form,
                            std::string_view text, std::string_view caller_scope,
                            const std::string* session, std::string_view name) const {
  Scope scope = options_.scope;
  scope.caller = caller_scope;
  if (session != nullptr) scope.session = *session;
  if (form == KeyPrefix::Form::named) {
    // A key name is the caller's in the whole namespace: key intents carry it without database or
    // session.
    scope.database.clear();
    scope.session.clear();
  }
  if (name.empty()) return cache_.core().prefixes.intern(stored_type, form, scope, text);
  // An entry belongs to one name; what shared tiers and intents call it does not know of names.
  std::string type(stored_type);
  type.append("/named:").append(name);
  return cache_.core().prefixes.intern(type, form, scope, text, name);
}

[[gnu::always_inline]] inline bool Source::find_at(MonotonicTime now, const Lookup& lookup,
                                                   ReadResult& found) noexcept {
  CacheCore& core = cache_.core();
  const bool trusted = marks_.trusted(now);
  if (!trusted && options_.lagging == Lagging::bypass) return false;
  EntryRef entry = core.memory.search(lookup.call.view, lookup.call.hash);
  if (!entry) [[unlikely]]
    return false;
  const std::chrono::nanoseconds age = entry->age(now);
  const Verdict found_out = verdict(*entry, now, max_age(lookup.options), lookup.required);
  if (found_out != Verdict::fresh) [[unlikely]] {
    found.outcome.refused = refuse(*entry, found_out, lookup, now);
    return false;
  }
  found.entry = std::move(entry);
  found.outcome = {.status = ReadStatus::hit,
                   .origin = Origin::memory,
                   .stored = Stored::already,
                   .unverified = found.entry->unverified(),
                   .age = age};
  if (found.outcome.unverified) [[unlikely]]
    lookup.call.view.prefix->record().counters.unverified.fetch_add(1);
  if (trusted) [[likely]] {
    const std::uint64_t number = lookup.call.view.prefix->record().counters.hit();
    if (HotLists::counts_hit(number)) [[unlikely]]
      note_hot(lookup.call);
  } else {
    lookup.call.view.prefix->record().counters.degraded_hit();
    found.outcome.status = ReadStatus::degraded;
  }
  return true;
}

bool Source::find(const Lookup& lookup, ReadResult& found) noexcept {
  if (!cache_.enabled()) [[unlikely]]
    return false;
  return find_at(cache_.core().clock.coarse_now(), lookup, found);
}

void Source::find_each(std::span<const CallKey> calls, const ReadOptions& options,
                       std::span<ReadResult* const> found) noexcept {
  if (!cache_.enabled()) [[unlikely]]
    return;
  const MonotonicTime now = cache_.core().clock.coarse_now();
  for (std::size_t i = 0; i < calls.size(); ++i)
    static_cast<void>(find_at(now, {.call = calls[i], .options = options}, *found[i]));
}

EntryRef Source::find_old(const CallKey& call, std::span<const TargetId> required) noexcept {
  const EntryRef entry = cache_.core().memory.find(call.view, call.hash);
  if (!entry || entry->domain() != domain_ || !entry->carries(required)) return {};
  return EntryRef::share(entry.get());  // held for as long as a load takes
}

Source::Old Source::judge_old(const Entry& entry, std::chrono::nanoseconds max_age,
                              MonotonicTime now) const noexcept {
  Old old{.past_ttl = now - std::min(entry.expires(), detail::after(entry.loaded(), max_age))};
  if (!marks_.unchanged_since(entry.generation(), entry.targets())) {
    old.outdated = true;
    old.outdated_since = marks_.outdated_since(entry.generation());
  }
  if (options_.lagging == Lagging::bypass && !marks_.trusted(now)) {
    // What has come since the log was to be reached nobody knows; a write of this process may have
    // been applied all the same.
    const MonotonicTime until = marks_.trusted_until();
    if (!old.outdated)
      old.outdated_since = until;
    else if (old.outdated_since)
      old.outdated_since = std::min(*old.outdated_since, until);
    old.outdated = true;
  }
  return old;
}

void Source::note_hot(const CallKey& call) noexcept {
  cache_.core().hot.reads.add(call.hash, hot_name(call.view), HotLists::kHitsEach);
}

void Source::note_death(const Entry& entry, const CallKey& call) noexcept {
  HotLists& hot = cache_.core().hot;
  hot.deaths.add(call.hash, hot_name(call.view));
  // Who loads next names it.
  if (const auto killer = marks_.changed_since(entry.generation(), entry.targets()))
    hot.killers.add(static_cast<std::uint64_t>(*killer), {});
  else
    hot.killers.add(kEverything, {.bytes = "everything"});
}

Refused Source::refuse(const Entry& entry, Verdict verdict, const Lookup& lookup,
                       MonotonicTime now) noexcept {
  ReadCounters& counters = entry.key().prefix->record().counters;
  switch (verdict) {
    case Verdict::targets_differ:
      counters.targets_differed.fetch_add(1);
      return Refused::targets_differ;  // kept: see lead()
    case Verdict::expired:
      counters.expired.fetch_add(1);
      // For this caller alone, whose ttl is shorter; or it may be of use yet.
      if (entry.useful_until() <= now) cache_.core().memory.erase(entry);
      return Refused::expired;
    case Verdict::invalidated:
      counters.invalidated.fetch_add(1);
      note_death(entry, lookup.call);
      if (!lookup.options.policy.outlives_invalidations()) cache_.core().memory.erase(entry);
      return Refused::invalidated;
    case Verdict::other_domain:
    case Verdict::fresh:
      break;
  }
  cache_.core().memory.erase(entry);
  return Refused::nothing;
}

}  // namespace querymark

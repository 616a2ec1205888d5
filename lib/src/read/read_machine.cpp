#include "querymark/read/read_machine.hpp"

#include <algorithm>
#include <utility>

#include "querymark/support/error.hpp"
#include "querymark/support/excerpt.hpp"
#include "read/read_machine_steps.hpp"

// What the machine guarantees, and where. The steps by way of the shared tiers are in
// read_machine_tiers.cpp, those of a lease among processes in read_machine_lease.cpp, the load and what
// becomes of it in read_machine_loads.cpp, what is served although it is old in read_machine_old.cpp.
//
//   - The stamp is taken when a flight begins, before any tier or the database is asked
//     (FlightTable::enter).
//   - A value from a shared tier is judged by this process's marks before anyone sees it (polled),
//     by the same rules that a tier with several values is told to choose by (judged, takes).
//   - A value from above what this process knows of the log is judged after a catch-up; what is
//     above it even then comes from a future that was lost (polled, StampProof). So does one whose
//     witness is not the log's: of a tier that can't name its newest stamp each one is asked about.
//   - A value that was good enough for the caller is offered, as it came, to the tiers that were asked
//     before in vain, and to those that its tier names (polled).
//   - Where a tier grants leases, one process loads what all lack, and the others look at the tier
//     until it is there: for no longer than a lease lasts, and only while a value of that process
//     could still be taken (asks_for_lease, LeaseTurn).
//   - A value is offered to memory before it is published to waiters (loaded).
//   - A waiter judges what it is handed by its own targets and the marks of now (joined). What it
//     can't take it loads anew, the second time on its own, so that no storm of invalidations
//     starves it.
//   - Who was handed a value, or the lead, after waiting looks at the trust of now: what was
//     trusted when the call began need not be any more (lead, polled, joined).
//   - A load of one's own is returned even if a target was invalidated meanwhile: it is a plain
//     read of the database that began after the call. Only keeping it would be wrong.
//   - What a replica gave is returned only if the marks prove, after the load, that its snapshot
//     includes every invalidation of its targets; else the primary is asked (load, loaded). Reads
//     that pass the cache by, or must be fresher than memory happens to be, ask it at once.
//   - A read that must be fresher than memory happens to be looks there only after the log has been
//     reached, and shares a load only by the marks of then; where the log is not reached, the
//     database answers it, past all copies and loads in flight (reach, resume_reached).
//   - A value for shared tiers is stamped only after the log has been looked at for own writes that
//     are ahead of it: stamped below them, it would be dead for every other process (enter).
//   - What is no longer fresh is served only by the query's policy, labelled, within the windows that it
//     names, judged at that moment, and never to a read that must be fresher than memory happens to
//     be (find_old, old_within).
//   - A load in the background takes its own stamp; what it stores carries the targets of the query, of
//     its rows and of the value that it replaces (lead). It serves nobody and waits for nobody.
//   - Whatever a step throws ends the call as its outcome, and leaves the lead to a waiter; only a
//     load that failed is everybody's error (guarded, fail).

namespace querymark {
namespace {

constexpr unsigned kMaxJoins = 2;

}  // namespace

ReadMachine::ReadMachine(Source& source, ReadRequest& request, ReadCaller caller) noexcept
    : source_(source),
      cache_(source.cache().core()),
      record_(request.call.view.prefix->record()),
      times_(cache_.clock),
      request_(request),
      caller_(caller),
      ttl_(source.max_age(request.options)) {}

void ReadMachine::time(const Action& next) noexcept {
  if (std::holds_alternative<Load>(next)) times_.begin(record_.loads);
  if (std::holds_alternative<PollTier>(next)) times_.begin(record_.tier_reads);
  if (std::holds_alternative<Await>(next) || std::holds_alternative<Pause>(next))
    times_.begin(record_.waits);
}

ReadMachine::Action ReadMachine::start() noexcept {
  source_.note_read();
  return guarded([&] { return begin(); });
}

ReadMachine::Action ReadMachine::start_refused(std::exception_ptr error) noexcept {
  return guarded([&] {
    look_for_bypass();
    declare_targets();
    find_old();
    return end(std::move(error));
  });
}

ReadMachine::Action ReadMachine::resume_analysed(std::exception_ptr error) noexcept {
  return guarded([&] { return error ? end(std::move(error)) : analysed(); });
}

ReadMachine::Action ReadMachine::resume_reached(bool reached) noexcept {
  return guarded([&] {
    began_ = cache_.clock.coarse_now();
    if (followed_) return enter();
    return reached ? look() : load_alone();
  });
}

ReadMachine::Action ReadMachine::start(FlightLeader leader) noexcept {
  return guarded([&] {
    began_ = cache_.clock.coarse_now();
    stamp_ = leader.stamp();
    leader_.emplace(std::move(leader));  // whatever comes, it goes to a waiter
    declare_targets();
    return lead(*std::exchange(leader_, std::nullopt));
  });
}

ReadMachine::Action ReadMachine::resume_handed_over(bool handed_over) noexcept {
  return guarded([&] {
    if (handed_over) return await();
    waiter_.reset();
    return lead(*std::exchange(leader_, std::nullopt));
  });
}

ReadMachine::Action ReadMachine::resume(FlightResult result) noexcept {
  return guarded([&] {
    waiter_.reset();
    if (auto* error = std::get_if<std::exception_ptr>(&result)) return end(std::move(*error));
    if (auto* leader = std::get_if<FlightLeader>(&result)) return take_over(std::move(*leader));
    return joined(std::move(std::get<EntryRef>(result)));
  });
}

ReadMachine::Action ReadMachine::end(std::exception_ptr error) noexcept {
  waiter_.reset();
  leader_.reset();
  if (const auto outcome = old_instead_of(error)) return finish_old(*outcome);
  error_ = std::move(error);
  return over();
}

ReadMachine::Action ReadMachine::over() noexcept {
  if (lease_.state != LeaseTurn::State::held) return Done{};
  lease_.state = LeaseTurn::State::over;
  return Release{lease_.tier, *name_, lease_.token};
}

ReadResult ReadMachine::take_result() {
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  return std::move(result_);
}

bool ReadMachine::trusted_now() const { return source_.marks().trusted(cache_.clock.coarse_now()); }

EntryInit ReadMachine::init(MonotonicTime loaded, MonotonicTime expires,
                            std::uint64_t generation) const {
  return {.prefix = KeyPrefixRef(key().prefix),
          .parameters = key().parameters,
          .hash = request_.call.hash,
          .domain = source_.domain(),
          .generation = generation,
          .targets = target_ids_.values(),
          .loaded = loaded,
          .expires = std::min(expires, expires_limit_),
          .grace = policy().grace(),
          .unverified = request_.unverified_for().has_value()};
}

void ReadMachine::look_for_bypass() {
  began_ = cache_.clock.coarse_now();
  if (source_.disabled(request_.options))
    bypass_ = Stored::disabled;
  else if (!request_.wanted())
    bypass_ = Stored::unwanted;
}

ReadMachine::Action ReadMachine::begin() {
  look_for_bypass();
  if (!bypass_ && !request_.standing()) return Analyse{};
  return analysed();
}

ReadMachine::Action ReadMachine::analysed() {
  const Stored standing = request_.standing().value_or(Stored::unproven);
  if (const auto longest = request_.unverified_for()) ttl_ = std::min(ttl_, *longest);
  if (bypass_) {
  } else if (standing != Stored::yes) {
    bypass_ = standing;
  } else if (demanding()) {
    return reach();
  } else if (!source_.marks().trusted(began_)) {
    bypass_ = Stored::lagging;
  }
  if (bypass_ && request_.replaces) return over();  // nothing would be kept
  if (bypass_ || request_.alone) return load_alone();
  return policy().cache_if.empty() || request_.replaces ? enter() : look();
}

// What a hit has no use for, so only once memory can't serve the read, unless the entry is to carry
// what the call names.
void ReadMachine::declare_targets() {
  if (!targets_.empty()) return;
  const std::vector<Target>& tags = request_.options.tags;
  targets_.reserve(tags.size() + 4);
  targets_.assign(tags.begin(), tags.end());
  request_.add_targets(targets_);
  require_tags();
  if (policy().empty_ttl && targets_.empty() && request_.options.cached)
    throw ConfigError(
        "empty_ttl keeps that there is no row, so a tag must tell of the one that comes: " +
        excerpt(key().prefix->text(), kShownOfSql));
  targets_.push_back(key_target(key()));
  for (const Target& target : targets_) target_ids_.add(target.id());
  if (target_ids_.size() > kMaxTargets)
    throw ConfigError("a cached query can't declare more than " + std::to_string(kMaxTargets - 1) +
                      " targets, and this one has " + std::to_string(targets_.size() - 1) +
                      "; use a collection");
  required_ = target_ids_.values();
}

ReadMachine::Action ReadMachine::reach() {
  if (request_.alone)
    throw ConfigError(
        "a query in a caller's own transaction reads what that transaction sees; strong() and "
        "at_least() are for queries of the database itself");
  const Consistency& wanted = request_.options.consistency;
  wanted.require_namespace(source_.options().scope.namespace_name);
  if (source_.subscriber() == nullptr || wanted.met(source_.marks())) return look();
  return Reach{&wanted, source_.subscriber()};
}

// What the hit path does for others.
ReadMachine::Action ReadMachine::look() {
  if (!trusted_now()) {
    bypass_ = Stored::lagging;
    return load_alone();
  }
  if (!request_.keyed_targets) declare_targets();
  ReadResult found;
  const Lookup lookup{.call = request_.call, .options = request_.options, .required = required_};
  if (source_.find(lookup, found) && found.outcome.status == ReadStatus::hit)
    return finish(std::move(found.entry), found.outcome);
  request_.refused = found.outcome.refused;
  return enter();
}

// A value under a name of the caller's own is invalidated by that name.
void ReadMachine::require_tags() {
  const ReadOptions& options = request_.options;
  const bool tagged = !targets_.empty() || !options.row_tags.empty();
  const KeyPrefix& prefix = *key().prefix;
  if (tagged || !options.cached || ttl_.count() <= 0 || prefix.form() == KeyPrefix::Form::named)
    return;
  record_.counters.untagged.fetch_add(1);
  if (!source_.options().require_tags) return;
  throw ConfigError(
      "this query declares no tags, and the database was opened with require_tags; say what makes "
      "it stale with .tag(...), or .uncached(): " +
      excerpt(prefix.text(), kShownOfSql));
}

ReadMachine::Action ReadMachine::enter() {
  declare_targets();
  static const Consistency kAll = Consistency::strong();
  const bool shares = request_.shareable && !source_.tiers().empty();
  if (shares && !followed_ && source_.marks().own_ahead() && source_.subscriber() != nullptr) {
    followed_ = true;
    return Reach{&kAll, source_.subscriber()};
  }
  if (request_.only_tiers) {  // what loads nothing has no load to share
    stamp_ = source_.marks().begin_load();
    return poll_next_tier();
  }
  find_old();
  if (const auto outcome = old_within(policy().serve_stale, {})) return finish_old(*outcome);
  if (old_within(policy().stale_while_refreshing, {})) return Refresh{};
  FlightEntry entry =
      source_.flights().enter(key(), source_.marks(), required_, caller_, policy().loads_at_once);
  if (auto* leader = std::get_if<FlightLeader>(&entry)) {
    handed_over_ = false;
    return take_over(std::move(*leader));
  }
  if (auto* waiter = std::get_if<FlightWaiter>(&entry)) {
    if (request_.replaces) return over();  // somebody is at it
    const auto outcome = old_within(policy().stale_while_loading, policy().revalidate_within);
    if (outcome && !waiter->first()) return finish_old(*outcome);
    if (waiter->first()) record_.counters.loads_queued.fetch_add(1);
    ++joins_;
    waiter_.emplace(std::move(*waiter));
    return await();
  }
  if (std::holds_alternative<FlightRefused>(entry)) {
    record_.counters.loads_refused.fetch_add(1);
    return end(refused_by_budget());
  }
  if (std::holds_alternative<FlightReentrant>(entry)) {
    bypass_ = Stored::reentrant;
    return load_alone();
  }
  stamp_ = source_.marks().begin_load();  // busy: shares nobody's load, but the cache
  return poll_next_tier();
}

// What was handed over and has come back, since nobody ran it, is not handed over once more.
ReadMachine::Action ReadMachine::take_over(FlightLeader leader) {
  if (!policy().loads_apart() || request_.replaces || caller_.leads ||
      std::exchange(handed_over_, true))
    return lead(std::move(leader));
  waiter_.emplace(leader.wait_too(source_.marks(), caller_.id));
  leader_.emplace(std::move(leader));
  return HandOver{&leader_};
}

ReadMachine::Action ReadMachine::lead(FlightLeader leader) {
  stamp_ = leader.stamp();
  leader_.emplace(std::move(leader));
  if (!trusted_now()) {  // ended while this call waited for another's load
    bypass_ = Stored::lagging;
    return load();
  }
  // The flight before this one may have stored the value between our look and our entry.
  if (EntryRef entry = cache_.memory.find(key(), request_.call.hash)) {
    const auto verdict = source_.verdict(*entry, began_, ttl_, required_);
    const bool later = !request_.replaces || entry->expires() > *request_.replaces;
    if (verdict == Source::Verdict::fresh && later) {
      if (request_.replaces) return over();  // somebody was faster
      record_.counters.hit();
      return finish(entry, {.status = ReadStatus::hit,
                            .origin = Origin::memory,
                            .stored = Stored::already,
                            .age = entry->age(began_)});
    }
    // Another call site has declared other targets, or, for what is replaced, may have: load with
    // both sets. If no entry can carry both, the call sites take turns. Of theirs the shorter TTL wins.
    const bool differ = verdict == Source::Verdict::targets_differ;
    if ((request_.replaces || differ) &&
        target_ids_.size() + entry->targets().size() <= kMaxTargets) {
      for (const TargetId target : entry->targets()) target_ids_.add(target);
      if (!request_.replaces) expires_limit_ = entry->expires();
    }
  }
  return poll_next_tier();
}

void ReadMachine::complete(EntryRef entry, const Outcome& outcome) {
  if (leader_) {
    leader_->complete(entry);
    leader_.reset();
  }
  result_ = {std::move(entry), outcome};
  result_.outcome.refused = request_.refused;
  const bool loaded = outcome.status == ReadStatus::miss || outcome.status == ReadStatus::bypass;
  // What the source has found it has labelled and counted, too.
  if (!loaded && !outcome.unverified && result_.entry->unverified()) {
    result_.outcome.unverified = true;
    record_.counters.unverified.fetch_add(1);
  }
}

ReadMachine::Action ReadMachine::finish(EntryRef entry, const Outcome& outcome) {
  complete(std::move(entry), outcome);
  return over();
}

ReadMachine::Action ReadMachine::joined(EntryRef entry) {
  const MonotonicTime now = cache_.clock.coarse_now();
  const bool trusted = source_.marks().trusted(now);
  if (!trusted && (demanding() || source_.options().lagging == Lagging::bypass)) {
    bypass_ = Stored::lagging;
    return load_alone();
  }
  if (source_.verdict(*entry, now, ttl_, required_) == Source::Verdict::fresh) {
    if (trusted)
      record_.counters.joined.fetch_add(1);
    else
      record_.counters.degraded_hit();
    return finish(std::move(entry), {.status = trusted ? ReadStatus::joined : ReadStatus::degraded,
                                     .origin = Origin::database,
                                     .stored = Stored::already,
                                     .age = {}});
  }
  return joins_ < kMaxJoins ? enter() : load_alone();
}

}  // namespace querymark

#include "querymark/read/read_machine.hpp"

#include <algorithm>
#include <utility>

#include "querymark/support/error.hpp"
#include "querymark/support/excerpt.hpp"
#include "querymark/support/random.hpp"

// What the machine guarantees, and where:
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
constexpr std::size_t kShownOfSql = 100;

// Wall-clock times from a shared tier are not to be trusted: keeps the arithmetic on them in range.
std::chrono::milliseconds within_a_year(std::chrono::milliseconds span) {
  return std::clamp<std::chrono::milliseconds>(span, std::chrono::milliseconds(0),
                                               std::chrono::hours(24 * 365));
}

// What is no answer but to the caller whose load it was can't be shared.
bool is_anybodys(const Loaded& loaded) noexcept {
  return loaded.keep == Stored::yes || loaded.keep == Stored::declined;
}

Stored stored_as(StoreStatus status) noexcept {
  switch (status) {
    case StoreStatus::stored:
      return Stored::yes;
    case StoreStatus::superseded:
      return Stored::superseded;
    default:
      return Stored::oversize;
  }
}

}  // namespace

ReadMachine::ReadMachine(Source& source, ReadRequest& request, ReadCaller caller) noexcept
    : source_(source),
      cache_(source.cache().core()),
      request_(request),
      caller_(caller),
      ttl_(source.max_age(request.options)) {}

template <class Step>
ReadMachine::Action ReadMachine::guarded(Step&& step) noexcept {
  try {
    return step();
  } catch (...) {  // the driver tells the caller
    return end(std::current_exception());
  }
}

ReadMachine::Action ReadMachine::start() noexcept {
  source_.note_read();
  return guarded([&] { return begin(); });
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

ReadMachine::Action ReadMachine::resume_refreshing() noexcept {
  return guarded([&] {
    const auto outcome = old_within(policy().stale_while_refreshing, {});
    return outcome ? finish_old(*outcome) : load_alone();  // its time has just ended
  });
}

ReadMachine::Action ReadMachine::resume(FlightResult result) noexcept {
  return guarded([&] {
    waiter_.reset();
    if (auto* error = std::get_if<std::exception_ptr>(&result)) return end(std::move(*error));
    if (auto* leader = std::get_if<FlightLeader>(&result)) return lead(std::move(*leader));
    return joined(std::move(std::get<EntryRef>(result)));
  });
}

ReadMachine::Action ReadMachine::resume(std::optional<SharedValue> value,
                                        std::vector<TierRefill> refills) noexcept {
  ++tier_;
  refills_ = std::move(refills);
  return guarded([&] { return polled(std::move(value), false); });
}

ReadMachine::Action ReadMachine::resume_proved(bool proved) noexcept {
  return guarded([&] {
    std::optional<SharedValue> value = std::exchange(to_prove_, std::nullopt);
    return proved ? polled(std::move(value), true) : refuse_shared(value->stamp);
  });
}

ReadMachine::Action ReadMachine::resume(Loaded loaded) noexcept {
  return guarded([&] { return this->loaded(std::move(loaded)); });
}

ReadMachine::Action ReadMachine::resume_stored() noexcept {
  ++shared_;
  return guarded([&] { return store_next_tier(); });
}

ReadMachine::Action ReadMachine::fail(std::exception_ptr error) noexcept {
  cache_.counters.load_failures.fetch_add(1);
  if (leader_) leader_->fail(error);
  leader_.reset();
  return end(std::move(error));
}

ReadMachine::Action ReadMachine::give_up() noexcept {
  return guarded([&] {
    waited_softly_ = std::exchange(waits_softly_, false);
    if (waited_softly_ && !old_instead_of_slowness()) return await();
    return end(std::make_exception_ptr(
        Timeout("gave up waiting for another caller's load of the same query")));
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
  if (lease_.state != LeaseTurn::State::held) return Done{error_};
  lease_.state = LeaseTurn::State::over;
  return Release{lease_.tier, *name_, lease_.token};
}

ReadResult ReadMachine::take_result() {
  if (error_) std::rethrow_exception(error_);
  return std::move(result_);
}

bool ReadMachine::trusted_now() const { return source_.marks().trusted(cache_.clock.coarse_now()); }

Digest ReadMachine::shared_name() {
  if (!name_) name_ = query_name(key());
  return *name_;
}

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
          .grace = policy().grace()};
}

ReadMachine::Action ReadMachine::begin() {
  began_ = cache_.clock.coarse_now();
  if (!source_.cache().enabled() || !request_.options.cached || ttl_.count() <= 0) {
    bypass_ = Stored::disabled;
  } else if (!request_.wanted()) {
    bypass_ = Stored::unwanted;
    cache_.counters.unwanted.fetch_add(1);
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
  targets_ = request_.options.tags;
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
  return enter();
}

// A value under a name of the caller's own is invalidated by that name.
void ReadMachine::require_tags() {
  const ReadOptions& options = request_.options;
  const bool tagged = !targets_.empty() || !options.row_tags.empty();
  const KeyPrefix& prefix = *key().prefix;
  if (tagged || !options.cached || ttl_.count() <= 0 || prefix.form() == KeyPrefix::Form::named)
    return;
  cache_.counters.untagged.fetch_add(1);
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
  find_old();
  if (const auto outcome = old_within(policy().serve_stale, {})) return finish_old(*outcome);
  if (old_within(policy().stale_while_refreshing, {})) return Refresh{};
  FlightEntry entry = source_.flights().enter(key(), source_.marks(), required_, caller_);
  if (auto* leader = std::get_if<FlightLeader>(&entry)) {
    if (!policy().loads_apart() || request_.replaces || caller_.leads)
      return lead(std::move(*leader));
    waiter_.emplace(leader->wait_too(source_.marks(), caller_.id));
    leader_.emplace(std::move(*leader));
    return HandOver{&leader_};
  }
  if (auto* waiter = std::get_if<FlightWaiter>(&entry)) {
    if (request_.replaces) return over();  // somebody is at it
    if (const auto outcome = old_within(policy().stale_while_loading, policy().revalidate_within))
      return finish_old(*outcome);
    ++joins_;
    waiter_.emplace(std::move(*waiter));
    return await();
  }
  if (std::holds_alternative<FlightReentrant>(entry)) {
    bypass_ = Stored::reentrant;
    return load_alone();
  }
  stamp_ = source_.marks().begin_load();  // busy: shares nobody's load, but the cache
  return poll_next_tier();
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
      cache_.counters.hits.add();
      return finish(entry, {.status = ReadStatus::hit,
                            .origin = Origin::memory,
                            .stored = Stored::already,
                            .age = entry->age(began_)});
    }
    if (request_.replaces) {
      // Whatever it was loaded with, others may ask for.
      if (target_ids_.size() + entry->targets().size() <= kMaxTargets)
        for (const TargetId target : entry->targets()) target_ids_.add(target);
    } else if (verdict == Source::Verdict::targets_differ) {
      // Another call site declares other targets: load with both sets, and the shorter TTL wins. If
      // no entry can carry both, the call sites take turns.
      if (target_ids_.size() + entry->targets().size() <= kMaxTargets) {
        for (const TargetId target : entry->targets()) target_ids_.add(target);
        expires_limit_ = entry->expires();
      }
    }
  }
  return poll_next_tier();
}

ReadMachine::Action ReadMachine::poll_next_tier() {
  if (request_.shareable && tier_ < source_.tiers().size()) return poll_tier(tier_);
  if (!asks_for_lease()) return load();
  return Lease{lease_.tier, shared_name(), lease_.token,
               std::chrono::ceil<std::chrono::milliseconds>(request_.options.lease)};
}

ReadMachine::Action ReadMachine::poll_tier(std::size_t number) {
  tier_ = number;
  asked_ = source_.tiers()[number].get();
  return PollTier{asked_, shared_name(), this};
}

// Only who leads all callers of this process stands for it among the others; and who is inside
// another load waits for nobody. While a transaction that may yet commit invalidations of these
// targets keeps the horizon below them, nobody's value would be taken: then nobody is waited for.
bool ReadMachine::asks_for_lease() {
  using State = LeaseTurn::State;
  if (lease_.state == State::held || lease_.state == State::over) return false;
  if (lease_.state == State::unasked) {
    lease_.state = State::over;
    if (request_.options.lease.count() == 0 || !request_.shareable || !leader_ || caller_.leads)
      return false;
    const auto& tiers = source_.tiers();
    const auto grants =
        std::ranges::find_if(tiers, [](const auto& tier) { return tier->grants_leases(); });
    if (grants == tiers.end()) return false;
    lease_.tier = grants->get();
    lease_.token = std::to_string(random_u64()) + '-' + std::to_string(random_u64());
    lease_.until = detail::after(cache_.clock.coarse_now(), request_.options.lease);
    lease_.state = State::unasked;
  }
  if (source_.marks().judge(stamp_.shared, target_ids_.values()) &&
      (lease_.state == State::unasked || cache_.clock.coarse_now() < lease_.until))
    return true;
  lease_.state = State::over;
  return false;
}

ReadMachine::Action ReadMachine::resume_leased(LeaseAnswer answer) noexcept {
  return guarded([&]() -> Action {
    switch (answer) {
      case LeaseAnswer::granted:  // the one before may have stored the value since our look
        lease_.state = LeaseTurn::State::held;
        return resume_paused();
      case LeaseAnswer::taken:
        if (lease_.state == LeaseTurn::State::unasked) cache_.counters.lease_waits.fetch_add(1);
        lease_.state = LeaseTurn::State::waiting;
        return Pause{lease_.next_pause()};
      case LeaseAnswer::failed:
        break;
    }
    lease_.state = LeaseTurn::State::over;
    return load();
  });
}

ReadMachine::Action ReadMachine::resume_paused() noexcept {
  return guarded([&] {
    const auto& tiers = source_.tiers();
    const auto at = std::ranges::find(tiers, lease_.tier, [](const auto& t) { return t.get(); });
    return poll_tier(static_cast<std::size_t>(at - tiers.begin()));
  });
}

ReadMachine::Action ReadMachine::resume_released() noexcept { return Done{error_}; }

ReadMachine::Judged ReadMachine::judged(const SharedValue& value, bool proved) const {
  const WallTime wall = cache_.clock.wall_now();
  // How old a value may be is the reader's to say, not who stored it.
  Judged found{.age = within_a_year(wall - value.stored), .targets = target_ids_};
  if (value.expires <= wall || found.age >= ttl_) return found;
  const auto life = lifetime(value.rows);
  if (!life || found.age >= *life) return found;
  found.left =
      std::min<std::chrono::nanoseconds>(within_a_year(value.expires - wall), *life - found.age);
  // The same value again would be read again at each hit.
  if (request_.replaces && detail::after(began_, found.left - ttl_ / 8) <= *request_.replaces)
    return found;
  found.as = Judged::As::stale;
  const auto provable =
      proved || source_.proof() == nullptr ? Judged::As::stale : Judged::As::unproved;
  if (source_.marks().ahead(value.stamp)) {
    found.as = provable;
    return found;
  }
  // What no entry could carry is not worth a look.
  if (value.targets.size() > kMaxTargets) return found;
  for (const Target& target : value.targets) found.targets.add(target.id());
  // Who stored it may have tagged it otherwise.
  if (!add_implied(value.rows, found.targets)) return found;
  const auto generation = source_.marks().judge(value.stamp, found.targets.values());
  if (!generation || found.targets.size() > kMaxTargets) return found;
  found.generation = *generation;
  found.as = !proved && needs_proof(value.stamp) ? provable : Judged::As::fresh;
  return found;
}

bool ReadMachine::takes(const SharedValue& value) noexcept {
  try {
    std::optional<LeadingScope> scope;  // row tags are the caller's code, here on any thread
    if (leads()) scope.emplace(caller().id);
    if (!trusted_now()) return true;  // none would be taken: no use in looking further
    const Judged found = judged(value, false);
    if (found.as == Judged::As::stale) cache_.counters.shared_stale.fetch_add(1);
    return found.as == Judged::As::unproved || found.as == Judged::As::fresh;
  } catch (const std::exception&) {  // no memory to judge by
    return false;
  }
}

ReadMachine::Action ReadMachine::polled(std::optional<SharedValue> value, bool proved) {
  if (!trusted_now()) {  // ended while the tier was asked
    bypass_ = Stored::lagging;
    return load();
  }
  if (!value) return poll_next_tier();
  Judged found = judged(*value, proved);
  switch (found.as) {
    case Judged::As::old:
      return poll_next_tier();
    case Judged::As::stale:
      return refuse_shared(value->stamp);
    case Judged::As::unproved:
      to_prove_ = std::move(value);
      return Prove{source_.proof(), to_prove_->stamp};
    case Judged::As::fresh:
      break;
  }
  Distinct<TargetId> own = std::exchange(target_ids_, std::move(found.targets));
  EntryRef entry;
  StoreStatus kept{};
  try {
    entry = request_.materialize(
        value->rows, init(began_ - found.age, detail::after(began_, found.left), found.generation));
    kept = cache_.memory.insert(entry);
  } catch (const std::exception&) {
    // Stored by a program with another idea of the columns, or garbage: as good as stale.
    target_ids_ = std::move(own);
    return refuse_shared(value->stamp);
  }
  cache_.counters.shared_hits.fetch_add(1);
  for (std::size_t above = 0; above + 1 < tier_; ++above)
    share_with_.push_back({.tier = source_.tiers()[above].get()});
  share_with_.insert(share_with_.end(), refills_.begin(), refills_.end());
  complete(std::move(entry), {.status = ReadStatus::hit,
                              .origin = Origin::shared_tier,
                              .stored = stored_as(kept),
                              .age = found.age});
  return share_with_.empty() ? over() : share(std::move(*value));
}

// Whether nobody has looked yet if a tier's stamp is of this history.
bool ReadMachine::needs_proof(const SharedStamp& stamp) const noexcept {
  return stamp.witness != WriteId{} && !asked_->names_newest();
}

ReadMachine::Action ReadMachine::refuse_shared(const SharedStamp& stamp) {
  cache_.counters.shared_stale.fetch_add(1);
  lease_.note_refused(stamp);
  return poll_next_tier();
}

// Nothing for rows that this query's policy would not have kept, or can't make sense of.
std::optional<std::chrono::nanoseconds> ReadMachine::lifetime(const ResultSet& rows) const {
  if (!policy().decides_about_rows()) return ttl_;
  try {
    return detail::lifetime_of(policy(), rows, ttl_);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

// False for rows that can't be tagged: of another idea of the columns, or garbage.
bool ReadMachine::add_implied(const ResultSet& rows, Distinct<TargetId>& targets) const {
  try {
    for (const Target& target : detail::targets_of(request_.options.row_tags, rows))
      targets.add(target.id());
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

ReadMachine::Action ReadMachine::load() {
  request_.replica_serves = !replica_refused_ && !bypass_ && !demanding() && !request_.alone;
  return Load{init(began_, detail::after(began_, ttl_), stamp_.generation)};
}

ReadMachine::Action ReadMachine::load_alone() {
  declare_targets();
  find_old();
  stamp_ = source_.marks().begin_load();
  return load();
}

// Decides whether memory keeps a loaded value. Checking the marks only saves the space: a late
// value would be dead at its first hit anyway.
Stored ReadMachine::keep(const EntryRef& entry, const Loaded& loaded) {
  ReadCounters& counters = cache_.counters;
  if (bypass_) return *bypass_;
  if (!is_anybodys(loaded)) return loaded.keep;
  if (loaded.snapshot) {
    const auto generation = source_.marks().judge(*loaded.snapshot, entry->targets());
    if (!generation) return Stored::not_covered;
  } else {
    const std::uint64_t generation = source_.marks().generation();
    if (!source_.marks().unchanged_since(stamp_.generation, entry->targets())) {
      counters.late_fills.fetch_add(1);
      return Stored::invalidated;
    }
    // Or hits of the one before, whose stamp they raise, would keep it in this one's place. The look
    // has proved what the load's own stamp says, no other.
    if (entry->generation() == stamp_.generation) entry->raise_generation(generation);
  }
  if (loaded.keep == Stored::declined) {
    counters.declined.fetch_add(1);
    return Stored::declined;
  }
  const Stored kept = stored_as(cache_.memory.insert(entry));
  if (kept == Stored::yes) counters.stored.fetch_add(1);
  if (kept == Stored::oversize) counters.oversize.fetch_add(1);
  return kept;
}

bool ReadMachine::is_covered(const Loaded& loaded) const {
  return trusted_now() && is_anybodys(loaded) && loaded.snapshot &&
         source_.marks().judge(*loaded.snapshot, loaded.entry->targets());
}

ReadMachine::Action ReadMachine::loaded(Loaded loaded) {
  ReadCounters& counters = cache_.counters;
  if (loaded.replica && !is_covered(loaded)) {
    counters.replica_stale.fetch_add(1);
    replica_refused_ = true;
    return load();  // the stamp was taken before this load, too
  }
  const Stored kept = keep(loaded.entry, loaded);
  // Waiters judge a value by the stamp of the load that they share. One that ran in an older
  // snapshot, or must not be kept for another reason, is no answer to them: one of them loads anew.
  if (!is_anybodys(loaded) || kept == Stored::not_covered) leader_.reset();
  const bool bypassed = bypass_.has_value();
  (bypassed ? counters.bypassed : counters.misses).fetch_add(1);
  const bool shares = (kept == Stored::yes || kept == Stored::oversize) && request_.shareable &&
                      loaded.rows && !source_.tiers().empty();
  SharedValue value;
  if (shares) {
    const WallTime wall = cache_.clock.wall_now();
    const auto ttl = within_a_year(
        std::chrono::ceil<std::chrono::milliseconds>(loaded.entry->expires() - began_));
    targets_.insert(targets_.end(), loaded.implied.begin(), loaded.implied.end());
    value = {.stamp = loaded.snapshot.value_or(stamp_.shared),
             .stored = wall,
             .expires = wall + ttl,
             .targets = std::move(targets_),
             .rows = std::move(*loaded.rows)};
    for (const auto& tier : source_.tiers()) share_with_.push_back({.tier = tier.get()});
  }
  complete(std::move(loaded.entry), {.status = bypassed ? ReadStatus::bypass : ReadStatus::miss,
                                     .origin = Origin::database,
                                     .stored = kept,
                                     .age = {}});
  return shares ? share(std::move(value)) : over();
}

ReadMachine::Action ReadMachine::share(SharedValue value) {
  share_until_ = value.expires;
  to_share_ = std::move(value);
  return store_next_tier();
}

ReadMachine::Action ReadMachine::store_next_tier() {
  if (shared_ == share_with_.size()) return over();
  const TierRefill& with = share_with_[shared_];
  const WallTime wall = cache_.clock.wall_now();
  to_share_->expires = share_until_ - wall > with.longest ? wall + with.longest : share_until_;
  return StoreShared{with.tier, shared_name(), &*to_share_};
}

void ReadMachine::complete(EntryRef entry, const Outcome& outcome) {
  if (leader_) {
    leader_->complete(entry);
    leader_.reset();
  }
  result_ = {std::move(entry), outcome};
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
      cache_.counters.joined.fetch_add(1);
    else
      cache_.counters.degraded.add();
    return finish(std::move(entry), {.status = trusted ? ReadStatus::joined : ReadStatus::degraded,
                                     .origin = Origin::database,
                                     .stored = Stored::already,
                                     .age = {}});
  }
  return joins_ < kMaxJoins ? enter() : load_alone();
}

}  // namespace querymark

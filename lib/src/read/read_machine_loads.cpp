#include <algorithm>
#include <utility>

#include "querymark/read/explanation.hpp"
#include "querymark/read/read_machine.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/excerpt.hpp"
#include "read/hot_name.hpp"
#include "read/read_machine_steps.hpp"

// The load, and what becomes of what it brings.

namespace querymark {
namespace {

ReadCounters::Count* count_of(Stored kept, ReadCounters& counters) noexcept {
  switch (kept) {
    case Stored::yes:
      return &counters.stored;
    case Stored::oversize:
      return &counters.oversize;
    case Stored::superseded:
      return &counters.superseded;
    case Stored::invalidated:
      return &counters.late_fills;
    case Stored::not_covered:
      return &counters.not_covered;
    case Stored::disabled:
      return &counters.disabled;
    case Stored::lagging:
      return &counters.lagging;
    case Stored::in_transaction:
      return &counters.in_transaction;
    case Stored::reentrant:
      return &counters.reentrant;
    case Stored::too_many_targets:
      return &counters.too_many_targets;
    case Stored::uncacheable:
      return &counters.uncacheable;
    case Stored::unwanted:
      return &counters.unwanted;
    case Stored::unproven:
      return &counters.unproven;
    case Stored::declined:
      return &counters.declined;
    case Stored::already:
      break;
  }
  return nullptr;
}

}  // namespace

ReadMachine::Action ReadMachine::load() {
  if (request_.only_tiers) return over();
  if (policy().break_after > 0 &&
      !source_.failing_queries().allows(key().prefix->bytes(), cache_.clock.coarse_now())) {
    record_.counters.loads_refused.fetch_add(1);
    return fail_all(std::make_exception_ptr(
        Error("the loads of this query have failed, and the next one is not tried yet: " +
                  excerpt(key().prefix->text(), kShownOfSql),
              {.retryable = true})));
  }
  request_.replica_serves = !replica_refused_ && !bypass_ && !demanding() && !request_.alone;
  return Load{init(began_, detail::after(began_, ttl_), stamp_.generation)};
}

ReadMachine::Action ReadMachine::load_alone() {
  declare_targets();
  find_old();
  stamp_ = source_.marks().begin_load();
  return load();
}

ReadMachine::Action ReadMachine::resume(Loaded loaded) noexcept {
  return guarded([&] {
    if (policy().break_after > 0) source_.failing_queries().succeeded(key().prefix->bytes());
    return this->loaded(std::move(loaded));
  });
}

ReadMachine::Action ReadMachine::loaded(Loaded loaded) {
  ReadCounters& counters = record_.counters;
  if (loaded.replica && !is_covered(loaded)) {
    counters.replica_stale.fetch_add(1);
    replica_refused_ = true;
    return load();  // the stamp was taken before this load, too
  }
  const Stored kept = keep(loaded.entry, loaded);
  if (ReadCounters::Count* const count = count_of(kept, counters)) count->fetch_add(1);
  // Waiters judge a value by the stamp of the load that they share. One that ran in an older
  // snapshot, or must not be kept for another reason, is no answer to them: one of them loads anew.
  if (!is_anybodys(loaded) || kept == Stored::not_covered) leader_.reset();
  const bool bypassed = bypass_.has_value();
  if (!bypassed) note_hot(loaded.implied);
  (bypassed ? counters.bypassed : counters.misses).fetch_add(1);
  const bool shares = (kept == Stored::yes || kept == Stored::oversize) && request_.shareable &&
                      loaded.rows && !source_.tiers().empty();
  SharedValue value;
  if (shares) {
    // As old as in memory: since the load began, however long it took.
    const auto took = within_a_year(
        std::chrono::ceil<std::chrono::milliseconds>(cache_.clock.coarse_now() - began_));
    const WallTime began = cache_.clock.wall_now() - took;
    const auto ttl = within_a_year(
        std::chrono::ceil<std::chrono::milliseconds>(loaded.entry->expires() - began_));
    targets_.insert(targets_.end(), loaded.implied.begin(), loaded.implied.end());
    value = {.stamp = loaded.snapshot.value_or(stamp_.shared),
             .stored = began,
             .expires = began + ttl,
             .targets = std::move(targets_),
             .rows = std::move(*loaded.rows)};
    for (const auto& tier : source_.tiers()) share_with_.push_back({.tier = tier.get()});
  }
  const bool doubtful = kept == Stored::unproven || loaded.entry->unverified();
  complete(std::move(loaded.entry), {.status = bypassed ? ReadStatus::bypass : ReadStatus::miss,
                                     .origin = Origin::database,
                                     .stored = kept,
                                     .age = {},
                                     .reason = doubtful ? request_.why() : std::string_view()});
  return shares ? share(std::move(value)) : over();
}

void ReadMachine::note_hot(std::span<const Target> implied) noexcept {
  cache_.hot.misses.add(request_.call.hash, hot_name(key()));
  // Marks know targets by their ids alone.
  const auto name = [&](const Target& target) {
    cache_.hot.killers.name(static_cast<std::uint64_t>(target.id()),
                            [&] { return describe(target); });
  };
  try {
    std::ranges::for_each(targets_, name);
    std::ranges::for_each(implied, name);
  } catch (const std::exception&) {  // no memory for a name: the next load has it
  }
}

// Decides whether memory keeps a loaded value. Checking the marks only saves the space: a late
// value would be dead at its first hit anyway.
Stored ReadMachine::keep(const EntryRef& entry, const Loaded& loaded) {
  if (bypass_) return *bypass_;
  if (!is_anybodys(loaded)) return loaded.keep;
  if (loaded.snapshot) {
    const auto generation = source_.marks().judge(*loaded.snapshot, entry->targets());
    if (!generation) return Stored::not_covered;
  } else {
    const std::uint64_t generation = source_.marks().generation();
    if (!source_.marks().unchanged_since(stamp_.generation, entry->targets()))
      return Stored::invalidated;
    // Or hits of the one before, whose stamp they raise, would keep it in this one's place. The look
    // has proved what the load's own stamp says, no other.
    if (entry->generation() == stamp_.generation) entry->raise_generation(generation);
  }
  if (loaded.keep == Stored::declined) return Stored::declined;
  return stored_as(cache_.memory.insert(entry));
}

bool ReadMachine::is_covered(const Loaded& loaded) const {
  return trusted_now() && is_anybodys(loaded) && loaded.snapshot &&
         source_.marks().judge(*loaded.snapshot, loaded.entry->targets());
}

std::exception_ptr refused_by_budget() {
  return std::make_exception_ptr(Error(
      "too many loads of this database wait for their turn (see LoadBudget)", {.retryable = true}));
}

void ReadMachine::note_failure(const std::exception_ptr& error) noexcept {
  times_.end();
  record_.counters.load_failures.fetch_add(1);
  if (policy().break_after == 0) return;
  FailingLoads& failing = source_.failing_queries();
  try {
    if (is_outage(error))
      failing.failed(key().prefix->bytes(), policy().break_after, cache_.clock.coarse_now());
    else  // that the database refuses it is an answer
      failing.succeeded(key().prefix->bytes());
  } catch (const std::exception&) {  // no memory: it is tried again
  }
}

ReadMachine::Action ReadMachine::fail_alone(std::exception_ptr error) noexcept {
  note_failure(error);
  return end(std::move(error));
}

ReadMachine::Action ReadMachine::fail(std::exception_ptr error) noexcept {
  note_failure(error);
  return fail_all(std::move(error));
}

ReadMachine::Action ReadMachine::fail_all(std::exception_ptr error) noexcept {
  if (leader_) leader_->fail(error);
  leader_.reset();
  return end(std::move(error));
}

}  // namespace querymark

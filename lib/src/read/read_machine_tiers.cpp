#include <algorithm>
#include <exception>
#include <utility>

#include "querymark/read/read_machine.hpp"
#include "read/read_machine_steps.hpp"

// Asking the shared tiers, judging what they have, and filling them.

namespace querymark {

Digest ReadMachine::shared_name() {
  if (!name_) name_ = query_name(key());
  return *name_;
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

ReadMachine::Action ReadMachine::resume_stored() noexcept {
  ++shared_;
  return guarded([&] { return store_next_tier(); });
}

ReadMachine::Action ReadMachine::poll_next_tier() {
  if (request_.shareable && !request_.tiers_asked && tier_ < source_.tiers().size())
    return poll_tier(tier_);
  if (request_.only_tiers || !asks_for_lease()) return load();
  return Lease{lease_.tier, shared_name(), lease_.token,
               std::chrono::ceil<std::chrono::milliseconds>(request_.options.lease)};
}

ReadMachine::Action ReadMachine::poll_tier(std::size_t number) {
  tier_ = number;
  asked_ = source_.tiers()[number].get();
  return PollTier{asked_, shared_name(), this};
}

bool ReadMachine::takes(const SharedValue& value) noexcept {
  try {
    std::optional<LeadingScope> scope;  // row tags are the caller's code, here on any thread
    if (leads()) scope.emplace(caller().id);
    if (!trusted_now()) return true;  // none would be taken: no use in looking further
    const Judged found = judged(value, false);
    if (found.as == Judged::As::stale) record_.counters.shared_stale.fetch_add(1);
    return found.as == Judged::As::unproved || found.as == Judged::As::fresh;
  } catch (const std::exception&) {  // no memory to judge by
    return false;
  }
}

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

// Whether nobody has looked yet if a tier's stamp is of this history.
bool ReadMachine::needs_proof(const SharedStamp& stamp) const noexcept {
  return stamp.witness != WriteId{} && !asked_->names_newest();
}

// Nothing for rows that this query's policy would not have kept, or can't make sense of.
std::optional<std::chrono::nanoseconds> ReadMachine::lifetime(const ResultSet& rows) const {
  if (!policy().decides_about_rows()) return ttl_;
  try {
    return detail::lifetime_of(policy(), rows, ttl_);
  } catch (...) {  // whatever the policy's rules throw
    return std::nullopt;
  }
}

// False for rows that can't be tagged: of another idea of the columns, or garbage.
bool ReadMachine::add_implied(const ResultSet& rows, Distinct<TargetId>& targets) const {
  try {
    for (const Target& target : detail::targets_of(request_.options.row_tags, rows))
      targets.add(target.id());
    return true;
  } catch (...) {  // whatever the taggers throw
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
  } catch (...) {
    // Stored by a program with another idea of the columns, or garbage: as good as stale. A mapper may throw anything.
    target_ids_ = std::move(own);
    return refuse_shared(value->stamp);
  }
  record_.counters.shared_hits.fetch_add(1);
  for (std::size_t above = 0; above + 1 < tier_; ++above)
    share_with_.push_back({.tier = source_.tiers()[above].get()});
  share_with_.insert(share_with_.end(), refills_.begin(), refills_.end());
  complete(std::move(entry), {.status = ReadStatus::hit,
                              .origin = Origin::shared_tier,
                              .stored = stored_as(kept),
                              .age = found.age});
  return share_with_.empty() ? over() : share(std::move(*value));
}

ReadMachine::Action ReadMachine::refuse_shared(const SharedStamp& stamp) {
  record_.counters.shared_stale.fetch_add(1);
  lease_.note_refused(stamp);
  return poll_next_tier();
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

}  // namespace querymark

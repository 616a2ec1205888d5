#include "tier_group_state.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "group_read.hpp"
#include "querymark/support/ascii.hpp"
#include "querymark/support/error.hpp"

// Who waits for whom. A caller waits for the helpers that it has given work, never for others'; a
// member's call ends by the member's own deadline. Only `remove` waits for other callers' work: for
// puts of this group that have already been answered.

namespace querymark::detail {
namespace {

std::string member_path(const std::string& group, const std::string& label) {
  return group + '.' + label;
}

// Of several members' answers to a put, what the group answers: the better ones come first.
StoreStatus better_of(StoreStatus a, StoreStatus b) noexcept {
  const auto rank = [](StoreStatus status) {
    switch (status) {
      case StoreStatus::stored:
        return 0;
      case StoreStatus::superseded:
        return 1;
      case StoreStatus::expired:
        return 2;
      case StoreStatus::oversize:
        return 3;
      case StoreStatus::failed:
        break;
    }
    return 4;
  };
  return rank(b) < rank(a) ? b : a;
}

std::string checked_label(std::string label) {
  const bool plain = std::ranges::all_of(label, [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) || c == '_' || c == '-';
  });
  if (label.empty() || label.size() > 100 || !plain)
    throw ConfigError("the label of a group of tiers has 1 to 100 letters, digits and _-");
  return label;
}

// `label`, or with a number behind it where a member before has it.
std::string own_label(const std::deque<GroupMember>& members, std::string_view label) {
  std::string own(label);
  const auto taken = [&](const GroupMember& other) { return other.label == own; };
  for (int number = 2; std::ranges::any_of(members, taken); ++number)
    own = std::string(label) + std::to_string(number);
  return own;
}

// What a race writes, for as long as anybody still writes it.
class Race {
 public:
  Race(std::string_view namespace_name, std::span<const TierPut> puts)
      : namespace_name_(namespace_name), best_(puts.size(), StoreStatus::failed) {
    for (const TierPut& put : puts) values_.emplace_back(put.name, *put.value);
  }

  void enter() {
    const MutexLock lock(mutex_);
    ++under_way_;
  }
  // What it has entered for.
  void run(GroupMember& member) noexcept {
    std::vector<TierPut> puts;
    try {
      for (const auto& [name, value] : values_) puts.push_back({.name = name, .value = &value});
      member.put_many(namespace_name_, puts);
    } catch (const std::exception&) {  // no memory
      puts.clear();
    }
    const MutexLock lock(mutex_);
    for (std::size_t i = 0; i < puts.size(); ++i) best_[i] = better_of(best_[i], puts[i].status);
    --under_way_;
    changed_.notify_one();
  }
  // Returns when somebody has stored each of them, or nobody writes any more.
  void await(std::span<TierPut> puts) {
    MutexLock lock(mutex_);
    while (under_way_ > 0 && !std::ranges::all_of(best_, [](StoreStatus status) {
             return status == StoreStatus::stored;
           }))
      changed_.wait(lock.native());
    for (std::size_t i = 0; i < puts.size(); ++i) puts[i].status = best_[i];
  }

 private:
  const std::string namespace_name_;
  std::vector<std::pair<Digest, SharedValue>> values_;

  Mutex mutex_;
  std::condition_variable changed_;
  std::size_t under_way_ QUERYMARK_GUARDED_BY(mutex_) = 0;
  std::vector<StoreStatus> best_ QUERYMARK_GUARDED_BY(mutex_);
};

}  // namespace

std::optional<TierFailure> GroupMember::read(const std::string& group,
                                             std::string_view namespace_name,
                                             std::span<TierRead> wanted) noexcept {
  reads.fetch_add(wanted.size());
  try {
    std::optional<TierFailure> failure =
        inner == nullptr ? tier->read(namespace_name, wanted)
                         : inner->read(member_path(group, label), namespace_name, wanted);
    const auto found =
        std::ranges::count_if(wanted, [](const TierRead& one) { return one.value.has_value(); });
    hits.fetch_add(static_cast<std::uint64_t>(found));
    if (!failure) return std::nullopt;
    if (failure->tried)
      note_failure(failure->cause);
    else
      skipped.fetch_add(1);
    if (inner == nullptr) failure->cause = member_path(group, label) + ": " + failure->cause;
    return failure;
  } catch (const std::exception&) {  // no memory for paths
    note_failure("no memory");
    return TierFailure{};
  }
}

StoreStatus GroupMember::put(std::string_view namespace_name, const Digest& name,
                             const SharedValue& value) noexcept {
  TierPut one{.name = name, .value = &value};
  put_many(namespace_name, {&one, 1});
  return one.status;
}

void GroupMember::put_many(std::string_view namespace_name, std::span<TierPut> values) noexcept {
  tier->put_many(namespace_name, values);
  for (const TierPut& one : values) {
    if (one.status == StoreStatus::stored) stored.fetch_add(1);
    if (one.status == StoreStatus::failed) note_failure("could not store a value");
  }
}

void GroupMember::remove(const std::string& group, std::string_view namespace_name,
                         std::span<const Digest> names, Removal& removal) {
  const std::string path = member_path(group, label);
  if (inner != nullptr) return inner->remove(path, namespace_name, names, removal);
  try {
    removal.note(tier->remove(namespace_name, names));
  } catch (const std::exception& thrown) {  // told when all have been asked
    note_failure(thrown.what());
    removal.note(path, thrown);
  }
}

void GroupMember::note_failure(std::string_view cause) noexcept {
  failures.fetch_add(1);
  const MutexLock lock(failure_mutex);
  try {
    last_failure = cause;
  } catch (const std::exception&) {  // no memory for the text: the number says it
    last_failure.clear();
  }
}

void Removal::note(std::size_t copies) {
  const MutexLock lock(mutex_);
  copies_ += copies;
}

void Removal::note(const std::string& path, const std::exception& thrown) {
  const auto* error = dynamic_cast<const Error*>(&thrown);
  const MutexLock lock(mutex_);
  if (!causes_.empty()) causes_ += "; ";
  causes_ += path + ": " + thrown.what();
  retryable_ = retryable_ && error != nullptr && error->retryable();
  connection_lost_ = connection_lost_ || (error != nullptr && error->connection_lost());
}

std::size_t Removal::checked() const {
  const MutexLock lock(mutex_);
  if (!causes_.empty())
    throw Error(causes_ + " (copies removed elsewhere: " + std::to_string(copies_) + ")",
                {.retryable = retryable_, .connection_lost = connection_lost_});
  return copies_;
}

LateWrites::Ticket LateWrites::begin() {
  const MutexLock lock(mutex_);
  under_way_.insert(last_ + 1);
  return ++last_;
}

void LateWrites::end(Ticket ticket) noexcept {
  const MutexLock lock(mutex_);
  under_way_.erase(ticket);
  ended_.notify_all();
}

void LateWrites::await() {
  MutexLock lock(mutex_);
  const Ticket last = last_;
  while (!under_way_.empty() && *under_way_.begin() <= last) ended_.wait(lock.native());
}

TierGroupState::TierGroupState(std::string name, TierGroupOptions opts,
                               std::vector<std::shared_ptr<SharedTier>> tiers)
    : label(checked_label(std::move(name))), options(opts), helpers(opts.threads) {
  if (tiers.empty()) throw ConfigError("a group of tiers needs a member");
  for (std::shared_ptr<SharedTier>& tier : tiers) {
    if (!tier) throw ConfigError("a group of tiers was given no tier");
    if (std::ranges::any_of(members, [&](const GroupMember& m) { return m.tier == tier; }))
      throw ConfigError("a group of tiers was given the same tier twice");
    const auto* group = dynamic_cast<const TierGroup*>(tier.get());
    names_newest = names_newest && tier->names_newest();
    std::string own = own_label(members, tier->label());
    members.emplace_back(std::move(tier), group == nullptr ? nullptr : group->state_.get(),
                         std::move(own));
  }
}

std::optional<TierFailure> TierGroupState::read(const std::string& path,
                                                std::string_view namespace_name,
                                                std::span<TierRead> wanted) noexcept {
  if (wanted.empty()) return std::nullopt;
  try {
    const auto read = std::make_shared<GroupRead>(*this, path, namespace_name, wanted);
    struct End {
      GroupRead& read;
      ~End() { read.end(); }
    };
    const End end{*read};
    return read->run(wanted);
  } catch (const std::exception&) {  // no memory
    return TierFailure{};
  }
}

StoreStatus TierGroupState::put(std::string_view namespace_name, const Digest& name,
                                const SharedValue& value) {
  TierPut one{.name = name, .value = &value};
  put_many(namespace_name, {&one, 1});
  return one.status;
}

void TierGroupState::put_many(std::string_view namespace_name, std::span<TierPut> values) {
  if (values.empty()) return;
  if (options.writes == TierWrites::race) return race(namespace_name, values);
  for (TierPut& one : values) one.status = StoreStatus::failed;
  std::vector<std::vector<TierPut>> answers(members.size(), {values.begin(), values.end()});
  const auto put_to = [&](std::size_t i) { members[i].put_many(namespace_name, answers[i]); };
  if (options.writes == TierWrites::parallel)
    helpers.each(members.size(), put_to);
  else
    for (std::size_t i = 0; i < members.size(); ++i) put_to(i);
  for (const std::vector<TierPut>& answer : answers)
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i].status = better_of(values[i].status, answer[i].status);
}

void TierGroupState::race(std::string_view namespace_name, std::span<TierPut> values) {
  const auto race = std::make_shared<Race>(namespace_name, values);
  for (GroupMember& member : members) {
    const LateWrites::Ticket ticket = late_writes.begin();
    race->enter();
    const auto run = [this, race, ticket, &member] {
      race->run(member);
      late_writes.end(ticket);
    };
    bool taken_on = false;
    try {
      taken_on = helpers.run(run);
    } catch (const std::exception&) {  // no memory to hand it over
    }
    if (!taken_on) run();
  }
  race->await(values);
}

void TierGroupState::remove(const std::string& path, std::string_view namespace_name,
                            std::span<const Digest> names, Removal& removal) {
  late_writes.await();
  const auto remove_from = [&](std::size_t i) {
    members[i].remove(path, namespace_name, names, removal);
  };
  if (options.writes == TierWrites::sequential)
    for (std::size_t i = 0; i < members.size(); ++i) remove_from(i);
  else
    helpers.each(members.size(), remove_from);
}

std::chrono::milliseconds TierGroupState::refill_longest() const {
  return options.refill_ttl.count() == 0 ? std::chrono::milliseconds::max()
                                         : std::chrono::milliseconds(options.refill_ttl);
}

void TierGroupState::add_stats(const std::string& path, std::vector<TierGroupStats>& stats) const {
  for (const GroupMember& member : members) {
    const std::string its = member_path(path, member.label);
    if (member.inner != nullptr) {
      member.inner->add_stats(its, stats);
      continue;
    }
    const MutexLock lock(member.failure_mutex);
    stats.push_back({.path = its,
                     .reads = member.reads.load(),
                     .hits = member.hits.load(),
                     .refused = member.refused.load(),
                     .served = member.served.load(),
                     .late = member.late.load(),
                     .stored = member.stored.load(),
                     .failures = member.failures.load(),
                     .skipped = member.skipped.load(),
                     .last_failure = member.last_failure});
  }
}

}  // namespace querymark::detail

#include "group_read.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

// The caller's thread decides everything: whom to ask, what counts, when it is enough. Members are
// asked by that thread (sequential reads, and where no other is free) or by a helper, which hands
// its answer in and goes. A helper that is late finds the read over; the read itself lives until the
// last of them has let go of it.
//
// The reader's judge is asked by the caller's thread about what members answer, and by helpers where
// a member is a group that has to choose: always under `judge_mutex_`, and never once the caller has
// left, since the judge is gone then.

namespace querymark::detail {
namespace {

bool is_better(const SharedValue& value, const SharedValue& than) {
  if (value.stamp.epoch != than.stamp.epoch) return false;  // not to be compared
  if (value.stamp.horizon != than.stamp.horizon) return value.stamp.horizon > than.stamp.horizon;
  return value.expires > than.expires;
}

// Whether a member that has this copy would gain nothing by the value.
bool is_as_late(const std::optional<SharedStamp>& copy, const SharedStamp& value) {
  return copy && copy->epoch == value.epoch && copy->horizon >= value.horizon;
}

}  // namespace

GroupRead::GroupRead(TierGroupState& group, std::string path, std::string_view namespace_name,
                     std::span<const TierRead> wanted)
    : group_(group),
      path_(std::move(path)),
      namespace_name_(namespace_name),
      found_(wanted.size()),
      open_(wanted.size()) {
  answers_.reserve(group.members.size());  // handing in must not fail
  names_.reserve(wanted.size());
  for (const TierRead& one : wanted) {
    names_.push_back(one.name);
    ears_.emplace_back(*this, one.judge);
  }
}

bool GroupRead::Ear::takes(const SharedValue& value) noexcept {
  if (judge_ == nullptr) return true;
  const MutexLock lock(read_.judge_mutex_);
  return read_.left_ || judge_->takes(value);
}

void GroupRead::end() noexcept {
  {
    const MutexLock lock(mutex_);
    over_ = true;
  }
  const MutexLock lock(judge_mutex_);
  left_ = true;
}

std::optional<TierFailure> GroupRead::run(std::span<TierRead> wanted) {
  const TierReads reads = group_.options.reads;
  const std::size_t members = group_.members.size();
  std::size_t awaited = 0;
  auto hedge_at = std::chrono::steady_clock::time_point::min();
  while (open_ > 0 || reads == TierReads::parallel) {
    const bool more = asked_ < members;
    const bool hedged = more && reads == TierReads::hedged;
    if (more && (awaited == 0 || reads == TierReads::parallel ||
                 (hedged && std::chrono::steady_clock::now() >= hedge_at))) {
      if (ask(asked_++)) ++awaited;
      hedge_at = std::chrono::steady_clock::now() + group_.options.hedge_delay;
      continue;
    }
    if (awaited == 0) break;
    for (const auto& answered : await(hedged ? std::optional(hedge_at) : std::nullopt)) {
      --awaited;
      take_in(*answered);
    }
  }
  return finish(wanted);
}

std::shared_ptr<GroupRead::Question> GroupRead::question(std::size_t member) {
  auto made = std::make_shared<Question>();
  made->member = member;
  for (std::size_t place = 0; place < names_.size(); ++place) {
    if (found_[place].value && group_.options.reads != TierReads::parallel) continue;
    made->places.push_back(place);
    made->names.push_back({.name = names_[place], .judge = ears_[place].heard()});
  }
  return made;
}

bool GroupRead::ask(std::size_t member) {
  const std::shared_ptr<Question> asked = question(member);
  const bool last = member + 1 == group_.members.size();
  // Of those who are asked at the same time the caller takes one itself.
  const bool here = group_.options.reads == TierReads::sequential ||
                    (group_.options.reads == TierReads::parallel && last);
  if (!here && group_.helpers.run([self = shared_from_this(), asked] {
        self->put_to_member(*asked);
        self->hand_in(asked);
      }))
    return true;
  put_to_member(*asked);
  take_in(*asked);
  return false;
}

void GroupRead::put_to_member(Question& question) noexcept {
  GroupMember& member = group_.members[question.member];
  question.failure = member.read(path_, namespace_name_, question.names);
}

void GroupRead::hand_in(std::shared_ptr<Question> answered) noexcept {
  const MutexLock lock(mutex_);
  if (over_) {
    group_.members[answered->member].late.fetch_add(answered->names.size());
    return;
  }
  answers_.push_back(std::move(answered));
  answered_.notify_one();
}

std::vector<std::shared_ptr<GroupRead::Question>> GroupRead::await(
    std::optional<std::chrono::steady_clock::time_point> until) {
  MutexLock lock(mutex_);
  while (answers_.empty()) {
    if (!until)
      answered_.wait(lock.native());
    else if (answered_.wait_until(lock.native(), *until) == std::cv_status::timeout)
      break;
  }
  std::vector<std::shared_ptr<Question>> answers(answers_.begin(), answers_.end());
  answers_.clear();  // and keeps its room
  return answers;
}

void GroupRead::take_in(Question& answered) {
  GroupMember& member = group_.members[answered.member];
  const bool failed = answered.failure.has_value();
  if (failed) failures_.push_back(std::move(*answered.failure));
  for (std::size_t i = 0; i < answered.names.size(); ++i) {
    TierRead& name = answered.names[i];
    const std::size_t place = answered.places[i];
    Found& found = found_[place];
    if (!name.value) {
      if (!failed) found.heard.push_back({.member = answered.member, .good = {}});
      continue;
    }
    if (!ears_[place].takes(*name.value)) {
      member.refused.fetch_add(1);
      found.heard.push_back({.member = answered.member, .good = {}});
      continue;
    }
    found.heard.push_back({.member = answered.member, .good = name.value->stamp});
    if (!found.value)
      --open_;
    else if (group_.options.reads != TierReads::parallel || !is_better(*name.value, *found.value))
      continue;
    found.value = std::move(name.value);
    found.member = answered.member;
    found.refills = std::move(name.refills);
  }
}

std::optional<TierFailure> GroupRead::finish(std::span<TierRead> wanted) {
  for (std::size_t place = 0; place < wanted.size(); ++place) {
    Found& found = found_[place];
    if (!found.value) continue;
    group_.members[found.member].served.fetch_add(1);
    std::vector<TierRefill>& refills = wanted[place].refills;
    if (group_.options.refill) {
      std::ranges::sort(found.heard, {}, &Heard::member);
      for (const Heard& heard : found.heard)
        if (heard.member < found.member && !is_as_late(heard.good, found.value->stamp))
          refills.push_back({.tier = group_.members[heard.member].tier.get(),
                             .longest = group_.refill_longest()});
    }
    refills.insert(refills.end(), found.refills.begin(), found.refills.end());
    wanted[place].value = std::move(found.value);
  }
  if (failures_.size() < asked_) return std::nullopt;
  TierFailure all{.tried = false, .cause = {}};
  for (const TierFailure& failure : failures_) {
    all.tried = all.tried || failure.tried;
    if (!all.cause.empty()) all.cause += "; ";
    all.cause += failure.cause;
  }
  return all;
}

}  // namespace querymark::detail

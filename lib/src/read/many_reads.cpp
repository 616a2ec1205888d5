#include "querymark/read/many_reads.hpp"

#include <algorithm>
#include <utility>

#include "querymark/read/blocking_steps.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/time_span.hpp"
#include "read/read_machine_steps.hpp"

// Whoever drives it runs the machines of several keys together. States, and who moves them:
//
//   begun   -> turn      next: where loads have a budget, it waits for the one permit that its statement takes
//   begun, turn -> ready next: it needs no permit, or has one
//   ready   -> working   work: the machines are started
//   working -> waiting   work: every machine has gone on until it is done, or waits for somebody else's load.
//                        What several of them want of one tier, or of the database, is asked for at once
//   waiting -> working   next: one of them has what it waited for, which may be the lead of a load that
//                        another has left
//   any     -> over      next: there is a result of each, or an error
//
// In `turn` and `waiting` nobody leads. So nobody waits while leading: two calls whose keys overlap, in
// whichever order, both complete what they lead before either waits for the other.

namespace querymark {

ManyReads::ManyReads(Source& source, std::vector<ReadRequest*> requests)
    : source_(source),
      requests_(std::move(requests)),
      caller_(ReadCaller::here()),
      deadline_(requests_.empty() ? Deadline()
                                  : detail::deadline_of(requests_.front()->options.timeout)) {
  for (ReadRequest* const request : requests_)
    request->leases = false;  // one would wait for it while it leads the others
}

RunningRead::Next ManyReads::next(ReadWaker& waker) {
  if (state_ == State::begun) reserve();
  if (state_ == State::turn && !has_turn(waker)) return Sleeps{turn_until_};
  if (state_ == State::waiting && !failed()) {
    Deadline soonest;
    if (!moved(waker, soonest)) return Sleeps{soonest};
    state_ = State::working;
  }
  if (state_ == State::ready || state_ == State::working) return Works{};
  state_ = State::over;
  return Over{};
}

void ManyReads::work() {
  if (std::exchange(state_, State::working) == State::ready) {
    for (ReadRequest* const request : requests_) all_.emplace_back(source_, *request, caller_);
    for (One& one : all_) step(one, [&] { return one.machine.start(); });
  }
  while (advance()) {
  }
  permit_
      .reset();  // before anybody is waited for, who may need it; what is led after that goes without
  state_ = at<ReadMachine::Await>().empty() ? State::over : State::waiting;
}

// The one permit for all that is led at first, before anything is.
void ManyReads::reserve() {
  state_ = requests_.empty() ? State::over : State::ready;
  if (requests_.empty() || requests_.front()->alone || requests_.front()->only_tiers || passes_by())
    return;
  std::optional<FlightEntry> entry = source_.flights().reserve(source_.marks(), caller_);
  if (!entry) return;
  ReadCounters& counters = requests_.front()->call.view.prefix->record().counters;
  if (std::holds_alternative<FlightRefused>(*entry)) {
    counters.loads_refused.fetch_add(1);
    refuse(refused_by_budget());
  } else if (auto* waiter = std::get_if<FlightWaiter>(&*entry)) {
    if (requests_.front()->replaces) {  // it waits for nobody
      state_ = State::over;
      return;
    }
    counters.loads_queued.fetch_add(1);
    turn_.emplace(std::move(*waiter));
    turn_until_ =
        sooner(deadline_, detail::deadline_of(requests_.front()->options.policy.hard_timeout));
    state_ = State::turn;
  } else {
    permitted(std::move(std::get<FlightLeader>(*entry)));
  }
}

// The cache, all of them.
bool ManyReads::passes_by() const {
  const ReadOptions& options = requests_.front()->options;
  return source_.disabled(options) ||
         (options.consistency.is_eventual() &&
          !source_.marks().trusted(source_.cache().clock().coarse_now()));
}

void ManyReads::permitted(FlightLeader permit) {
  permit_.emplace(std::move(permit));
  caller_.permitted = true;
  state_ = State::ready;
}

bool ManyReads::has_turn(ReadWaker& waker) {
  const bool late = turn_until_ && std::chrono::steady_clock::now() >= *turn_until_;
  std::optional<FlightResult> result = turn_->take(late ? nullptr : turn_wakes_.by(waker));
  if (!result && !late) return false;
  turn_.reset();
  if (result)
    permitted(std::move(std::get<FlightLeader>(*result)));
  else
    refuse(std::make_exception_ptr(Timeout("gave up waiting for a turn to load: see LoadBudget")));
  return true;
}

// Each for itself, since of some there may be old values.
void ManyReads::refuse(const std::exception_ptr& error) {
  for (ReadRequest* const request : requests_) {
    One& one = all_.emplace_back(source_, *request, caller_);
    step(one, [&] { return one.machine.start_refused(error); });
  }
  state_ = State::over;
}

template <class Wanted>
std::vector<ManyReads::One*> ManyReads::at() {
  std::vector<One*> those;
  for (One& one : all_)
    if (std::holds_alternative<Wanted>(one.action)) those.push_back(&one);
  return those;
}

// Those of them that are about the same tier as the first.
template <class Wanted>
std::vector<ManyReads::One*> ManyReads::at_one_tier() {
  std::vector<One*> those = at<Wanted>();
  if (those.empty()) return those;
  const SharedTier* const tier = std::get<Wanted>(those.front()->action).tier;
  std::erase_if(those,
                [tier](const One* one) { return std::get<Wanted>(one->action).tier != tier; });
  return those;
}

// All of the caller's code that runs on the way may read.
template <class Work>
void ManyReads::inside(Work&& work) {
  std::optional<LeadingScope> leading;
  if (leads_ > 0) leading.emplace(caller_.id);
  work();
}

template <class Step>
void ManyReads::step(One& one, Step&& take) {
  const bool led = one.machine.leads();
  inside([&] { one.action = take(); });
  if (one.machine.leads() != led) leads_ += led ? -1 : 1;
}

bool ManyReads::advance() {
  return one_by_one<ReadMachine::Analyse>() || reach() || one_by_one<ReadMachine::Refresh>() ||
         one_by_one<ReadMachine::Prove>() || hand_nothing_over() || poll() || load() || store() ||
         one_by_one<ReadMachine::Release>();
}

template <class Wanted>
bool ManyReads::one_by_one() {
  const auto those = at<Wanted>();
  for (One* const one : those)
    step(*one, [&] {
      return BlockingSteps{source_, one->request, one->machine}(std::get<Wanted>(one->action));
    });
  return !those.empty();
}

// Handed over one by one, they would be as many statements.
bool ManyReads::hand_nothing_over() {
  const auto those = at<ReadMachine::HandOver>();
  for (One* const one : those) step(*one, [&] { return one->machine.resume_handed_over(false); });
  return !those.empty();
}

// One look at the log that begins now is late enough for all that ask for the same.
bool ManyReads::reach() {
  const auto those = at<ReadMachine::Reach>();
  if (those.empty()) return false;
  const ReadMachine::Reach first = std::get<ReadMachine::Reach>(those.front()->action);
  bool reached = false;
  inside([&] { reached = first.wanted->reach(*first.subscriber); });
  for (One* const one : those)
    if (std::get<ReadMachine::Reach>(one->action).wanted == first.wanted)
      step(*one, [&] { return one->machine.resume_reached(reached); });
  return true;
}

bool ManyReads::poll() {
  const auto asking = at_one_tier<ReadMachine::PollTier>();
  if (asking.empty()) return false;
  SharedTier* const tier = std::get<ReadMachine::PollTier>(asking.front()->action).tier;
  std::vector<TierRead> wanted;
  wanted.reserve(asking.size());
  for (const One* const one : asking) {
    const auto& ask = std::get<ReadMachine::PollTier>(one->action);
    wanted.push_back({.name = ask.name, .judge = ask.judge});
  }
  inside([&] { static_cast<void>(tier->read(source_.options().scope.namespace_name, wanted)); });
  for (std::size_t i = 0; i < asking.size(); ++i)
    step(*asking[i], [&] {
      return asking[i]->machine.resume(std::move(wanted[i].value), std::move(wanted[i].refills));
    });
  return true;
}

bool ManyReads::load() {
  const auto those = at<ReadMachine::Load>();
  if (those.empty()) return false;
  const bool replica =
      std::ranges::all_of(those, [](const One* one) { return one->request.replica_serves; });
  std::vector<LoadTogether> wanted;
  wanted.reserve(those.size());
  for (const One* const one : those) {
    one->request.replica_serves = replica;
    wanted.push_back({&one->request, &std::get<ReadMachine::Load>(one->action).init});
  }
  std::vector<LoadAnswer> answers;
  std::exception_ptr error;
  inside([&] {
    try {
      answers = those.front()->request.load_together(wanted);
    } catch (...) {  // whatever it is, the machines tell it
      error = std::current_exception();
    }
  });
  // One key that the database refuses is no reason for those who wait for the others.
  const bool everybodys = those.size() == 1 || (error && is_outage(error));
  for (std::size_t i = 0; i < those.size(); ++i)
    step(*those[i], [&] {
      ReadMachine& machine = those[i]->machine;
      if (error) return everybodys ? machine.fail(error) : machine.fail_alone(error);
      if (auto* own = std::get_if<std::exception_ptr>(&answers[i])) return machine.fail(*own);
      return machine.resume(std::move(std::get<Loaded>(answers[i])));
    });
  return true;
}

bool ManyReads::store() {
  const auto storing = at_one_tier<ReadMachine::StoreShared>();
  if (storing.empty()) return false;
  SharedTier* const tier = std::get<ReadMachine::StoreShared>(storing.front()->action).tier;
  std::vector<TierPut> values;
  values.reserve(storing.size());
  for (const One* const one : storing) {
    const auto& wants = std::get<ReadMachine::StoreShared>(one->action);
    values.push_back({.name = wants.name, .value = wants.value});
  }
  inside([&] { tier->put_many(source_.options().scope.namespace_name, values); });
  for (One* const one : storing) step(*one, [&] { return one->machine.resume_stored(); });
  return true;
}

// Whether one of those that wait has what it waited for.
bool ManyReads::moved(ReadWaker& waker, Deadline& soonest) {
  bool any = false;
  for (One* const one : at<ReadMachine::Await>()) {
    const auto& waits = std::get<ReadMachine::Await>(one->action);
    if (!one->until) one->until.emplace(sooner(detail::deadline_of(waits.longest), deadline_));
    const Deadline until = *one->until;
    const bool late = until && std::chrono::steady_clock::now() >= *until;
    std::optional<FlightResult> result = waits.waiter->take(late ? nullptr : one->wakes.by(waker));
    if (!result && !late) {
      soonest = sooner(soonest, until);
      continue;
    }
    any = true;
    one->until.reset();
    step(*one,
         [&] { return result ? one->machine.resume(std::move(*result)) : one->machine.give_up(); });
  }
  return any;
}

// Then those that still wait leave.
bool ManyReads::failed() const {
  return std::ranges::any_of(all_, [](const One& one) {
    return std::holds_alternative<ReadMachine::Done>(one.action) && one.machine.failed();
  });
}

std::vector<ReadAnswer> ManyReads::take() {
  std::vector<ReadAnswer> answers(requests_.size());
  for (std::size_t i = 0; i < all_.size(); ++i) {
    if (!std::holds_alternative<ReadMachine::Done>(all_[i].action)) continue;  // it has left
    if (std::exception_ptr error = all_[i].machine.take_error())
      answers[i] = std::move(error);
    else
      answers[i] = all_[i].machine.take_result();
  }
  return answers;
}

std::vector<ReadResult> results_of(std::vector<ReadAnswer> answers) {
  std::vector<ReadResult> results;
  results.reserve(answers.size());
  for (const ReadAnswer& answer : answers)
    if (const auto* error = std::get_if<std::exception_ptr>(&answer))
      std::rethrow_exception(*error);
  for (ReadAnswer& answer : answers) results.push_back(std::move(std::get<ReadResult>(answer)));
  return results;
}

}  // namespace querymark

#include "querymark/read/single_read.hpp"

#include <utility>
#include <variant>

#include "querymark/read/blocking_steps.hpp"
#include "querymark/support/time_span.hpp"

namespace querymark {
namespace {

// What is not done by waiting.
struct Steps : SingleReadSteps {
  using SingleReadSteps::operator();
  Action operator()(ReadMachine::Await& await) const { return await; }
  Action operator()(ReadMachine::Pause& pause) const { return pause; }
};

bool passed(const Deadline& deadline) {
  return deadline && std::chrono::steady_clock::now() >= *deadline;
}

}  // namespace

SingleRead::SingleRead(Source& source, ReadRequest& request, detail::LoopLoad* load)
    : source_(source),
      request_(request),
      load_(load),
      deadline_(detail::deadline_of(request.options.timeout)),
      machine_(source, request) {}

SingleRead::SingleRead(Source& source, ReadRequest& request, CallerId caller, FlightLeader leader)
    : source_(source),
      request_(request),
      load_(nullptr),
      deadline_(detail::deadline_of(request.options.timeout)),
      machine_(source, request, {caller, false}),
      lead_(std::move(leader)) {}

// The others are done at once.
bool SingleRead::blocks() const noexcept {
  return !std::holds_alternative<ReadMachine::Refresh>(action_) &&
         !std::holds_alternative<ReadMachine::HandOver>(action_) &&
         !std::holds_alternative<ReadMachine::Await>(action_) &&
         !std::holds_alternative<ReadMachine::Pause>(action_) &&
         !std::holds_alternative<ReadMachine::Done>(action_) &&
         !(load_ != nullptr && std::holds_alternative<ReadMachine::Load>(action_));
}

RunningRead::Next SingleRead::next(ReadWaker& waker) {
  if (!std::exchange(begun_, true)) {
    action_ = lead_ ? machine_.start(std::move(*lead_)) : machine_.start();
    lead_.reset();
  }
  for (;;) {
    if (at<ReadMachine::Done>() != nullptr) return Over{};
    if (const auto* await = at<ReadMachine::Await>()) {
      if (!awaited(*await, waker)) return Sleeps{*until_};
    } else if (const auto* pause = at<ReadMachine::Pause>()) {
      if (!paused(*pause)) return Sleeps{*until_};
    } else if (load_ != nullptr && at<ReadMachine::Load>() != nullptr) {
      return Loads{load_};
    } else if (blocks()) {
      return Works{};
    } else {
      step();
    }
  }
}

// Whether that is over.
bool SingleRead::awaited(const ReadMachine::Await& await, ReadWaker& waker) {
  if (!until_) until_.emplace(sooner(detail::deadline_of(await.longest), deadline_));
  const bool late = passed(*until_);  // then it takes what came in the last moment
  std::optional<FlightResult> result = await.waiter->take(late ? nullptr : wakes_.by(waker));
  if (!result && !late) return false;
  until_.reset();
  action_ = result ? machine_.resume(std::move(*result)) : machine_.give_up();
  return true;
}

// Nobody wakes it: what it waits for happens in another process.
bool SingleRead::paused(const ReadMachine::Pause& pause) {
  if (!until_ && passed(deadline_)) {
    action_ = machine_.give_up();
    return true;
  }
  if (!until_) until_.emplace(sooner(std::chrono::steady_clock::now() + pause.length, deadline_));
  if (!passed(*until_)) return false;
  until_.reset();
  action_ = machine_.resume_paused();
  return true;
}

void SingleRead::work() {
  while (blocks()) step();
}

void SingleRead::loaded(LoadAnswer answer) {
  std::optional<LeadingScope> leading;  // what is evicted may read
  if (machine_.caller().leads) leading.emplace(machine_.caller().id);
  if (auto* error = std::get_if<std::exception_ptr>(&answer))
    action_ = machine_.fail(std::move(*error));
  else
    action_ = machine_.resume(std::move(std::get<Loaded>(answer)));
}

void SingleRead::step() {
  action_ = querymark::step(Steps{{{source_, request_, machine_}}}, action_);
}

}  // namespace querymark

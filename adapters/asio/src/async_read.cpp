#include "querymark/asio/async_read.hpp"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>
#include <utility>
#include <variant>

#include "querymark/asio/completion.hpp"
#include "querymark/read/blocking_steps.hpp"
#include "querymark/support/time_span.hpp"

// States, who may move them, and to what. All of it happens on the read's own strand, which is what guards
// every member; what comes from elsewhere (a flight's wake, the pool, a cancellation) posts to it.
//
//   running -> waiting   go_on: another's load is to be waited for. The flight has the waker, the timer runs
//   running -> pausing   go_on: nobody will say when to look again; the timer runs
//   running -> working   go_on: the next action blocks. The machine is the pool's until it comes back
//   waiting -> running   look: woken, or slept: the timer
//   pausing -> running   slept
//   working -> running   worked: the next action is one that a thread can't do, or the end
//   any     -> over      end: done, given up, refused by the pool, or cancelled
//   over                 while working the machine stays the pool's, which finishes the load; the strand
//                        drops both when it comes back
//
// The machine is touched by whoever has it: the strand, or in `working` the pool's thread, which has it by
// the task and gives it back by a post. So there is no lock of its own.
//
// Who keeps it alive: in `waiting` and `pausing` the timer's handler, which runs even where there is no
// deadline; in `working` the task; otherwise the handler that runs. A flight's waker does not: it is
// called under the flight's lock, which the destructor of the waiter takes, so it finds the read either
// whole or with nobody left who owns it, and then lets it go.
//
// A sleep has a number: a timer that fired before it was cancelled finds that another sleep, or none, is
// under way.

namespace querymark::detail {
namespace {

using Clock = std::chrono::steady_clock;

struct PoolSteps : SingleReadSteps {
  using SingleReadSteps::operator();
  // Never asked: the strand does these.
  Action operator()(ReadMachine::Await& await) const { return await; }
  Action operator()(ReadMachine::Pause& pause) const { return pause; }
};

// The others are the strand's.
bool blocks(const ReadMachine::Action& action) noexcept {
  return !std::holds_alternative<ReadMachine::Await>(action) &&
         !std::holds_alternative<ReadMachine::Pause>(action) &&
         !std::holds_alternative<ReadMachine::Done>(action) &&
         !std::holds_alternative<ReadMachine::Refresh>(action) &&
         !std::holds_alternative<ReadMachine::HandOver>(action);
}

}  // namespace

// What the pool is given. Whoever drops it unrun tells the read so.
struct AsyncRead::Turn {
  Turn(std::shared_ptr<AsyncRead> its_read, const Action& next)
      : read(std::move(its_read)), action(next) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    if (!action) return;
    boost::asio::post(read->strand_, [dropped = read] { dropped->refused(Offloaded::stopped); });
  }
  void run() noexcept { read->work(*std::exchange(action, std::nullopt)); }

  std::shared_ptr<AsyncRead> read;
  std::optional<Action> action;
};

AsyncRead::AsyncRead(Source& source, std::shared_ptr<ReadRequest> request, Offload& pool,
                     const Executor& executor)
    : source_(source),
      request_(std::move(request)),
      pool_(pool),
      executor_(executor),
      busy_(executor),
      strand_(executor),
      timer_(strand_),
      machine_(std::in_place, source, *request_),
      deadline_(deadline_of(request_->options.timeout)) {}

AsyncRead::~AsyncRead() { machine_.reset(); }  // while its waker is whole

void AsyncRead::start() {
  boost::asio::dispatch(strand_, [self = shared_from_this()] {
    self->go_on(self->machine_->start());
    self->starting_ = false;
  });
}

void AsyncRead::cancel() {
  boost::asio::post(strand_, [self = shared_from_this()] {
    self->end(
        std::make_exception_ptr(boost::system::system_error(boost::asio::error::operation_aborted)),
        {});
  });
}

void AsyncRead::wake() noexcept {
  if (std::shared_ptr<AsyncRead> self = weak_from_this().lock())
    boost::asio::post(strand_, [self = std::move(self)] { self->look(); });
}

void AsyncRead::go_on(Action action) {
  for (;;) {
    state_ = State::running;
    if (auto* done = std::get_if<ReadMachine::Done>(&action)) {
      std::exception_ptr error = std::move(done->error);
      return end(error, error ? ReadResult{} : machine_->take_result());
    }
    if (auto* await = std::get_if<ReadMachine::Await>(&action)) {
      waiter_ = await->waiter;
      if (std::optional<FlightResult> result = waiter_->take(this)) {
        action = machine_->resume(std::move(*result));
        continue;
      }
      return sleep(State::waiting, sooner(deadline_of(await->longest), deadline_));
    }
    if (auto* pause = std::get_if<ReadMachine::Pause>(&action)) {
      const Clock::time_point now = Clock::now();
      if (deadline_ && now >= *deadline_) {
        action = machine_->give_up();
        continue;
      }
      return sleep(State::pausing, sooner(now + pause->length, deadline_));
    }
    if (blocks(action)) return hand_over(action);
    action = step(PoolSteps{{{source_, *request_, *machine_}}}, action);
  }
}

void AsyncRead::sleep(State state, Deadline until) {
  state_ = state;
  // (The largest time_point would overflow where it is converted to what the reactor waits for.)
  timer_.expires_at(until.value_or(Clock::now() + std::chrono::hours(24 * 365)));
  timer_.async_wait(
      [self = shared_from_this(), number = ++sleeps_](const boost::system::error_code& error) {
        if (!error) self->slept(number);
      });
}

void AsyncRead::slept(std::uint64_t sleep) {
  if (sleep != sleeps_) return;
  if (state_ == State::pausing) return go_on(machine_->resume_paused());
  if (state_ != State::waiting) return;
  // What came in the last moment.
  std::optional<FlightResult> result = waiter_->take(nullptr);
  go_on(result ? machine_->resume(std::move(*result)) : machine_->give_up());
}

void AsyncRead::look() {
  if (state_ != State::waiting) return;
  std::optional<FlightResult> result = waiter_->take(this);
  if (!result) return;  // it sleeps on
  ++sleeps_;
  timer_.cancel();
  go_on(machine_->resume(std::move(*result)));
}

void AsyncRead::hand_over(const Action& action) {
  state_ = State::working;
  const auto turn = std::make_shared<Turn>(shared_from_this(), action);
  Offloaded became = Offloaded::full;
  try {
    became = pool_.submit({}, &source_, [turn] { turn->run(); }, "read");
  } catch (...) {  // no memory: it was not taken
    turn->action.reset();
    throw;
  }
  if (became == Offloaded::accepted) return;
  turn->action.reset();
  refused(became);
}

void AsyncRead::work(Action action) noexcept {
  std::exception_ptr error;
  try {
    while (blocks(action)) action = step(PoolSteps{{{source_, *request_, *machine_}}}, action);
  } catch (...) {  // of a tier, or of the log: as a blocking read throws it
    error = std::current_exception();
  }
  boost::asio::post(strand_, [self = shared_from_this(), action = std::move(action),
                              error = std::move(error)]() mutable {
    if (error) action = ReadMachine::Done{std::move(error)};
    self->worked(std::move(action));
  });
}

void AsyncRead::worked(Action action) {
  if (state_ == State::over) return machine_.reset();
  go_on(std::move(action));
}

void AsyncRead::refused(Offloaded why) {
  if (state_ == State::over) return machine_.reset();
  state_ = State::running;  // the machine is back
  end(no_thread(why), {});
}

void AsyncRead::end(std::exception_ptr error, ReadResult result) {
  const State was = std::exchange(state_, State::over);
  if (was == State::over) return;
  ++sleeps_;
  timer_.cancel();
  if (was != State::working) machine_.reset();  // its lead, if it has one, goes to a waiter
  complete(std::move(error), std::move(result), starting_);
  busy_.reset();
}

}  // namespace querymark::detail

#include "querymark/asio/async_read.hpp"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>
#include <optional>
#include <utility>
#include <variant>

#include "querymark/asio/completion.hpp"

// States, who may move them, and to what. All of it happens on the read's own strand, which is what guards
// every member; what comes from elsewhere (a flight's wake, the pool, a load, a cancellation) posts to it.
//
//   running  -> sleeping  go_on: another's load, or a moment, is to be waited for. Flights have the waker, the
//                         timer runs
//   running  -> working   go_on: what comes next blocks. The RunningRead is the pool's until it comes back
//   running  -> loading   go_on: a load that the event loop runs has begun
//   sleeping -> running   look: woken, or slept: the timer
//   working  -> running   back: the pool has done what blocks
//   loading  -> running   back: the load has ended
//   any      -> over      end: done, refused by the pool, or cancelled
//   over                  from working and loading, the RunningRead stays with the pool or the load until that
//                         has ended, for others and for memory; then it is dropped
//
// The RunningRead is touched by whoever has it: the strand, or in `working` the pool's thread, which has it by
// the task and gives it back by a post. So there is no lock of its own, but for the one below.
//
// Who keeps it alive: in `sleeping` the timer's handler, which runs even where there is no deadline; in
// `working` the task; in `loading` what the load calls at its end; otherwise the handler that runs. A flight's
// waker does not: it is called under the flight's lock, which the destructor of the waiter takes, so it finds
// the read either whole or with nobody left who owns it, and then lets it go.
//
// Whoever wakes it posts to an event loop that its owner may be destroying at that moment, who knows nothing of
// loads elsewhere. That drops the timer's handler, and is held up there by `loop_mutex_` until the post is made,
// which the loop then drops as well; so all that a post needs is still there. The mutex is taken under a flight's
// lock; nothing is taken under it but what a post takes.
//
// A thread of the pool keeps nothing of the event loop when the read can be over: it gives the read away with its
// post, and what is posted begins when the post has returned (`post_last`).
//
// A sleep has a number: a timer that fired before it was cancelled finds that another sleep, or none, is
// under way. Of several wakes before the look that is due, the first alone posts it.

namespace querymark::detail {

// What the pool is given. Whoever drops it unrun tells the read so.
struct AsyncRead::Turn {
  explicit Turn(std::shared_ptr<AsyncRead> its_read) : read(std::move(its_read)) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    if (read) give_back(std::move(read), no_thread(Offloaded::stopped));
  }
  void run() noexcept { work(std::move(read)); }

  std::shared_ptr<AsyncRead> read;
};

// What the timer is given. A loop that goes drops it unrun.
struct AsyncRead::Sleep {
  Sleep(std::shared_ptr<AsyncRead> its_read, std::uint64_t its_number)
      : read(std::move(its_read)), number(its_number) {}
  Sleep(Sleep&&) noexcept = default;
  Sleep& operator=(Sleep&&) = delete;
  ~Sleep() {
    if (read) read->lose_loop();
  }
  void operator()(const boost::system::error_code& error) {
    const std::shared_ptr<AsyncRead> self = std::move(read);
    if (!error) self->slept(number);
  }

  std::shared_ptr<AsyncRead> read;
  std::uint64_t number;
};

AsyncRead::AsyncRead(Source& source, Offload* pool, const Executor& executor)
    : source_(source),
      pool_(pool),
      executor_(executor),
      busy_(executor),
      strand_(executor),
      timer_(strand_) {}

void AsyncRead::start() {
  boost::asio::dispatch(strand_, [self = shared_from_this()] {
    self->go_on();
    self->starting_ = false;
  });
}

void AsyncRead::cancel() {
  boost::asio::post(strand_, [self = shared_from_this()] {
    self->end(std::make_exception_ptr(
        boost::system::system_error(boost::asio::error::operation_aborted)));
  });
}

void AsyncRead::wake() noexcept {
  if (woken_.exchange(true)) return;
  const MutexLock lock(loop_mutex_);
  if (loop_gone_) return;
  if (std::shared_ptr<AsyncRead> self = weak_from_this().lock())
    boost::asio::post(strand_, [self = std::move(self)] { self->look(); });
}

void AsyncRead::go_on() {
  state_ = State::running;
  woken_ = false;  // before the look: what comes after it is due anew
  RunningRead::Next next;
  try {
    next = running().next(*this);
  } catch (...) {  // no memory, say: no exception leaves a handler
    return end(std::current_exception());
  }
  if (std::holds_alternative<RunningRead::Over>(next)) return end(nullptr);
  if (const auto* sleeps = std::get_if<RunningRead::Sleeps>(&next)) return sleep(sleeps->until);
  if (const auto* loads = std::get_if<RunningRead::Loads>(&next)) return load(*loads->load);
  hand_over();
}

void AsyncRead::sleep(const Deadline& until) {
  state_ = State::sleeping;
  // (The largest time_point would overflow where it is converted to what the reactor waits for.)
  timer_.expires_at(until.value_or(Clock::now() + std::chrono::hours(24 * 365)));
  timer_.async_wait(Sleep(shared_from_this(), ++sleeps_));
}

void AsyncRead::lose_loop() noexcept {
  const MutexLock lock(loop_mutex_);
  loop_gone_ = true;
}

void AsyncRead::slept(std::uint64_t sleep) {
  if (sleep == sleeps_ && state_ == State::sleeping) go_on();
}

void AsyncRead::look() {
  if (state_ != State::sleeping) return;  // the next go_on looks
  ++sleeps_;
  timer_.cancel();
  go_on();
}

void AsyncRead::hand_over() {
  if (pool_ == nullptr) return end(no_pool());
  state_ = State::working;
  std::exception_ptr refused;
  std::shared_ptr<Turn> turn;
  try {
    turn = std::make_shared<Turn>(shared_from_this());
    const Offloaded became = pool_->submit({}, &source_, [turn] { turn->run(); }, "read");
    if (became == Offloaded::accepted) return;
    refused = no_thread(became);
  } catch (...) {  // no memory: it was not taken
    refused = std::current_exception();
  }
  if (turn) turn->read.reset();
  state_ = State::running;
  end(std::move(refused));
}

void AsyncRead::work(std::shared_ptr<AsyncRead> read) noexcept {
  std::exception_ptr error;
  try {
    read->running().work();
  } catch (...) {  // of a tier, or of the log: as a blocking read throws it
    error = std::current_exception();
  }
  give_back(std::move(read), std::move(error));
}

void AsyncRead::give_back(std::shared_ptr<AsyncRead> read, std::exception_ptr error) {
  auto strand = read->strand_;
  post_last(std::move(strand), [read = std::move(read), error = std::move(error)]() mutable {
    read->back(std::move(error));
  });
}

void AsyncRead::load(LoopLoad& load) {
  state_ = State::loading;
  try {
    load.begin(executor_, [self = shared_from_this(), &load] {
      boost::asio::post(self->strand_, [self, &load] {
        load.tell();
        self->back(nullptr);
      });
    });
  } catch (...) {  // no memory: it has not begun
    state_ = State::running;
    end(std::current_exception());
  }
}

void AsyncRead::back(std::exception_ptr error) {
  if (state_ == State::over) return leave();
  state_ = State::running;
  if (error) return end(std::move(error));
  go_on();
}

void AsyncRead::end(std::exception_ptr error) {
  const State was = std::exchange(state_, State::over);
  if (was == State::over) return;
  ++sleeps_;
  timer_.cancel();
  if (error && was != State::working && was != State::loading) leave();
  complete(std::move(error), starting_);
  busy_.reset();
}

}  // namespace querymark::detail

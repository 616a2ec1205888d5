#include "querymark/read/blocking_driver.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <thread>
#include <utility>
#include <variant>

#include "querymark/read/read_machine.hpp"
#include "querymark/read/refresh.hpp"
#include "querymark/read/source.hpp"
#include "querymark/support/mutex.hpp"
#include "querymark/support/time_span.hpp"

namespace querymark {
namespace {

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

// A thread that sleeps until its flight wakes it.
class SleepingThread final : public FlightWaker {
 public:
  void wake() noexcept override {
    const MutexLock lock(mutex_);
    woken_ = true;
    changed_.notify_one();
  }
  // False at the deadline.
  [[nodiscard]] bool sleep(const Deadline& deadline) {
    MutexLock lock(mutex_);
    const auto woken = [&]() QUERYMARK_REQUIRES(mutex_) { return std::exchange(woken_, false); };
    if (deadline) return changed_.wait_until(lock.native(), *deadline, woken);
    changed_.wait(lock.native(), woken);
    return true;
  }

 private:
  Mutex mutex_;
  std::condition_variable changed_;
  bool woken_ QUERYMARK_GUARDED_BY(mutex_) = false;
};

// What to do for each of the machine's actions.
struct Steps {
  Source& source;
  ReadRequest& request;
  ReadMachine& machine;
  Deadline deadline;

  using Action = ReadMachine::Action;

  Action operator()(ReadMachine::Reach& reach) const {
    return machine.resume_reached(reach.wanted->reach(*reach.subscriber));
  }
  Action operator()(ReadMachine::Refresh& /*refresh*/) const {
    refresh_later(source, request);
    return machine.resume_refreshing();
  }
  Action operator()(ReadMachine::HandOver& over) const {
    return machine.resume_handed_over(
        load_apart(source, request, machine.caller().id, *over.leader));
  }
  Action operator()(ReadMachine::Await& await) const {
    const Deadline soon = detail::deadline_of(await.longest);
    std::optional<FlightResult> result =
        blocking_wait(*await.waiter, soon && (!deadline || *soon < *deadline) ? soon : deadline);
    return result ? machine.resume(std::move(*result)) : machine.give_up();
  }
  Action operator()(ReadMachine::PollTier& poll) const {
    TierRead wanted{.name = poll.name, .judge = poll.judge};
    static_cast<void>(poll.tier->read(source.options().scope.namespace_name, {&wanted, 1}));
    return machine.resume(std::move(wanted.value), std::move(wanted.refills));
  }
  Action operator()(ReadMachine::Prove& prove) const {
    bool proved = false;
    try {
      prove.proof->prove(prove.stamp);
      proved = true;
    } catch (const std::exception&) {  // nothing is proved: the machine refuses the value
    }
    return machine.resume_proved(proved);
  }
  Action operator()(ReadMachine::Load& load) const {
    Loaded loaded;
    try {
      loaded = request.load(load.init);
    } catch (...) {  // whatever it is, everyone who shares the load gets it
      return machine.fail(std::current_exception());
    }
    return machine.resume(std::move(loaded));
  }
  Action operator()(ReadMachine::StoreShared& store) const {
    store.tier->put(source.options().scope.namespace_name, store.name, *store.value);
    return machine.resume_stored();
  }
  Action operator()(ReadMachine::Lease& lease) const {
    return machine.resume_leased(lease.tier->lease(source.options().scope.namespace_name,
                                                   lease.name, lease.token, lease.longest));
  }
  // Nobody can wake it: what it waits for happens in another process.
  Action operator()(ReadMachine::Pause& pause) const {
    const auto now = std::chrono::steady_clock::now();
    if (deadline && now >= *deadline) return machine.give_up();
    const auto end = now + pause.length;
    std::this_thread::sleep_until(deadline ? std::min(end, *deadline) : end);
    return machine.resume_paused();
  }
  Action operator()(ReadMachine::Release& release) const {
    release.tier->release(source.options().scope.namespace_name, release.name, release.token);
    return machine.resume_released();
  }
  Action operator()(ReadMachine::Done& done) const { return done; }
};

}  // namespace

std::optional<FlightResult> blocking_wait(FlightWaiter& waiter, Deadline deadline) {
  SleepingThread sleeper;
  for (;;) {
    std::optional<FlightResult> result = waiter.take(&sleeper);
    if (result) return result;
    if (!sleeper.sleep(deadline)) return waiter.take(nullptr);  // what came in the last moment
  }
}

namespace {

std::exception_ptr drive(Source& source, ReadRequest& request, ReadMachine& machine,
                         ReadMachine::Action action) {
  const Deadline deadline = detail::deadline_of(request.options.timeout);
  while (!std::holds_alternative<ReadMachine::Done>(action)) {
    // All of the caller's code that runs on the way may read: loaders, mappers, destructors of what
    // is evicted.
    std::optional<LeadingScope> leading;
    if (machine.leads()) leading.emplace(machine.caller().id);
    action = std::visit(Steps{source, request, machine, deadline}, action);
  }
  return std::get<ReadMachine::Done>(action).error;
}

}  // namespace

ReadResult blocking_read(Source& source, ReadRequest& request) {
  ReadMachine machine(source, request);
  static_cast<void>(
      drive(source, request, machine, machine.start()));  // the machine has the error, too
  return machine.take_result();
}

void blocking_load(Source& source, ReadRequest& request, CallerId caller, FlightLeader leader) {
  ReadMachine machine(source, request, {caller, false});
  if (const std::exception_ptr error =
          drive(source, request, machine, machine.start(std::move(leader))))
    std::rethrow_exception(error);
}

}  // namespace querymark

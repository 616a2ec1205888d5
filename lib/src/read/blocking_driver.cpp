#include "querymark/read/blocking_driver.hpp"

#include <algorithm>
#include <exception>
#include <thread>
#include <utility>
#include <variant>

#include "querymark/read/read_machine.hpp"
#include "querymark/read/refresh.hpp"
#include "querymark/read/source.hpp"
#include "querymark/support/time_span.hpp"
#include "read/blocking_steps.hpp"
#include "read/sleeper.hpp"

namespace querymark {
namespace {

// What to do for each of the machine's actions.
struct Steps : BlockingSteps {
  Deadline deadline;

  using BlockingSteps::operator();

  Action operator()(ReadMachine::Reach& reach) const {
    return machine.resume_reached(reach.wanted->reach(*reach.subscriber));
  }
  Action operator()(ReadMachine::HandOver& over) const {
    return machine.resume_handed_over(
        load_apart(source, request, machine.caller().id, *over.leader));
  }
  Action operator()(ReadMachine::Await& await) const {
    std::optional<FlightResult> result =
        blocking_wait(*await.waiter, sooner(detail::deadline_of(await.longest), deadline));
    return result ? machine.resume(std::move(*result)) : machine.give_up();
  }
  Action operator()(ReadMachine::PollTier& poll) const {
    TierRead wanted{.name = poll.name, .judge = poll.judge};
    static_cast<void>(poll.tier->read(source.options().scope.namespace_name, {&wanted, 1}));
    return machine.resume(std::move(wanted.value), std::move(wanted.refills));
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
};

}  // namespace

std::optional<FlightResult> blocking_wait(FlightWaiter& waiter, Deadline deadline) {
  Sleeper sleeper;
  SleeperWaker waker(sleeper);
  for (;;) {
    std::optional<FlightResult> result = waiter.take(&waker);
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
    action = std::visit(Steps{{source, request, machine}, deadline}, action);
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

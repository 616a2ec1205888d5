#include "querymark/read/blocking_driver.hpp"

#include <algorithm>
#include <exception>
#include <thread>
#include <utility>
#include <variant>

#include "querymark/read/blocking_steps.hpp"
#include "querymark/read/source.hpp"
#include "querymark/support/time_span.hpp"
#include "read/sleeper.hpp"

namespace querymark {
namespace {

// What to do for each of the machine's actions.
struct Steps : SingleReadSteps {
  Deadline deadline;

  using SingleReadSteps::operator();

  Action operator()(ReadMachine::Await& await) const {
    std::optional<FlightResult> result =
        blocking_wait(*await.waiter, sooner(detail::deadline_of(await.longest), deadline));
    return result ? machine.resume(std::move(*result)) : machine.give_up();
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

std::exception_ptr blocking_drive(Source& source, ReadRequest& request, ReadMachine& machine,
                                  ReadMachine::Action action) {
  const Deadline deadline = detail::deadline_of(request.options.timeout);
  while (!std::holds_alternative<ReadMachine::Done>(action)) {
    action = step(Steps{{{source, request, machine}}, deadline}, action);
  }
  return std::get<ReadMachine::Done>(action).error;
}

void blocking_load(Source& source, ReadRequest& request, CallerId caller, FlightLeader leader) {
  ReadMachine machine(source, request, {caller, false});
  if (const std::exception_ptr error =
          blocking_drive(source, request, machine, machine.start(std::move(leader))))
    std::rethrow_exception(error);
}

}  // namespace querymark

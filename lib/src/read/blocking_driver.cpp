#include "querymark/read/blocking_driver.hpp"

#include <utility>
#include <variant>

#include "querymark/read/single_read.hpp"
#include "read/sleeper.hpp"

namespace querymark {

std::optional<FlightResult> blocking_wait(FlightWaiter& waiter, Deadline deadline) {
  Sleeper sleeper;
  detail::WakesRead wakes;
  for (;;) {
    std::optional<FlightResult> result = waiter.take(wakes.by(sleeper));
    if (result) return result;
    if (!sleeper.sleep(deadline)) return waiter.take(nullptr);  // what came in the last moment
  }
}

void blocking_run(RunningRead& read, Sleeper& sleeper) {
  for (;;) {
    const RunningRead::Next next = read.next(sleeper);
    if (std::holds_alternative<RunningRead::Over>(next)) return;
    if (const auto* sleeps = std::get_if<RunningRead::Sleeps>(&next))
      static_cast<void>(sleeper.sleep(sleeps->until));
    else
      read.work();
  }
}

std::vector<ReadResult> blocking_read_many(Source& source, std::vector<ReadRequest*> requests) {
  return results_of(blocking_read_each(source, std::move(requests)));
}

void blocking_load(Source& source, ReadRequest& request, CallerId caller, FlightLeader leader) {
  Sleeper sleeper;
  SingleRead read(source, request, caller, std::move(leader));
  blocking_run(read, sleeper);
  static_cast<void>(read.take());
}

}  // namespace querymark

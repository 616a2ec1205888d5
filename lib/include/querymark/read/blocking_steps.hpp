#pragma once  // For writers of drivers.

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <utility>

#include "querymark/read/consistency.hpp"

#include "querymark/read/read_caller.hpp"
#include "querymark/read/read_machine.hpp"
#include "querymark/read/refresh.hpp"
#include "querymark/read/running_read.hpp"
#include "querymark/read/source.hpp"

namespace querymark {

[[nodiscard]] inline Deadline sooner(const Deadline& one, const Deadline& other) {
  if (!one || !other) return one ? one : other;
  return std::min(*one, *other);
}

/// How a thread that may block does those actions of a machine that concern no other machine: each returns
/// the next one.
struct BlockingSteps {
  Source& source;
  ReadRequest& request;
  ReadMachine& machine;

  using Action = ReadMachine::Action;

  Action operator()(ReadMachine::Refresh& /*refresh*/) const {
    refresh_later(source, request);
    return machine.resume_refreshing();
  }
  Action operator()(ReadMachine::Analyse& /*analyse*/) const {
    try {
      request.analyse();
    } catch (...) {  // as of the load, which would have failed likewise
      return machine.resume_analysed(std::current_exception());
    }
    return machine.resume_analysed();
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
  Action operator()(ReadMachine::StoreShared& store) const {
    store.tier->put(source.options().scope.namespace_name, store.name, *store.value);
    return machine.resume_stored();
  }
  Action operator()(ReadMachine::Release& release) const {
    release.tier->release(source.options().scope.namespace_name, release.name, release.token);
    return machine.resume_released();
  }
  Action operator()(ReadMachine::Done& done) const { return done; }
};

/// The same for a machine that runs by itself, all but Await and Pause: what to do while there is nothing
/// to do is the driver's.
struct SingleReadSteps : BlockingSteps {
  using BlockingSteps::operator();

  Action operator()(ReadMachine::Reach& reach) const {
    return machine.resume_reached(reach.wanted->reach(*reach.subscriber));
  }
  Action operator()(ReadMachine::HandOver& over) const {
    return machine.resume_handed_over(
        load_apart(source, request, machine.caller().id, *over.leader));
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
};

/// Does `action` by `steps`, as the caller whose load it is part of, whichever thread that began on: all of
/// the caller's code that runs on the way may read (loaders, mappers, destructors of what is evicted).
template <class Steps>
[[nodiscard]] ReadMachine::Action step(const Steps& steps, ReadMachine::Action& action) {
  std::optional<LeadingScope> leading;
  const ReadCaller caller = steps.machine.caller();
  if (caller.leads) leading.emplace(caller.id);
  return std::visit(steps, action);
}

}  // namespace querymark

#pragma once

#include <exception>

#include "querymark/read/read_machine.hpp"
#include "querymark/read/refresh.hpp"
#include "querymark/read/source.hpp"

namespace querymark {

// What blocking drivers do for those actions of a machine that concern no other machine.
struct BlockingSteps {
  Source& source;
  ReadRequest& request;
  ReadMachine& machine;

  using Action = ReadMachine::Action;

  Action operator()(ReadMachine::Refresh& /*refresh*/) const {
    refresh_later(source, request);
    return machine.resume_refreshing();
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

}  // namespace querymark

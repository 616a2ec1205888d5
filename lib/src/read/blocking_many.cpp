#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>
#include <utility>

#include "querymark/read/blocking_driver.hpp"
#include "querymark/read/blocking_steps.hpp"
#include "querymark/read/many_loads.hpp"
#include "querymark/read/read_machine.hpp"
#include "querymark/read/source.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/time_span.hpp"
#include "read/read_machine_steps.hpp"
#include "read/sleeper.hpp"

// One thread drives the machines of several keys, in two phases that take turns:
//
//   advance   every machine goes on, until each is done or waits for somebody else's load. What several
//             of them want of one tier, or of the database, is asked for at once.
//   wait      nobody leads any more, so the thread may sleep. As soon as one is handed the lead of a load
//             that another has left, it is the other phase's turn.
//
// Where loads have a budget, it first waits for the one permit that its statement takes. So nobody waits
// while leading: two calls whose keys overlap, in whichever order, both complete what
// they lead before either waits for the other.

namespace querymark {
namespace {

class ManyReads {
 public:
  ManyReads(Source& source, std::span<ReadRequest* const> requests, ManyLoads& loads)
      : source_(source),
        loads_(loads),
        caller_(ReadCaller::here()),
        deadline_(detail::deadline_of(requests.front()->options.timeout)) {
    reserve(requests.front()->call.view.prefix->record().counters);
    for (ReadRequest* const request : requests)
      all_.emplace_back(all_.size(), source, *request, caller_, sleeper_);
  }

  std::vector<ReadResult> run() {
    for (One& one : all_) step(one, [&] { return one.machine.start(); });
    for (;;) {
      while (advance()) {
      }
      permit_.reset();
      if (failed() || at<ReadMachine::Await>().empty()) return results();
      wait();
    }
  }

 private:
  using Action = ReadMachine::Action;
  struct One {
    One(std::size_t place, Source& source, ReadRequest& read, const ReadCaller& caller,
        Sleeper& sleeper)
        : number(place), request(read), waker(sleeper), machine(source, read, caller) {}
    std::size_t number;
    ReadRequest& request;
    SleeperWaker waker;  // outlives its machine's wait
    ReadMachine machine;
    Action action = ReadMachine::Done{};
    std::optional<Deadline> until{};  // of its wait, once that has begun
  };

  // The one permit for all that is led at first, before anything is. It is given back before anybody is
  // waited for, who may need it; what is led after that goes without.
  void reserve(ReadCounters& counters) {
    std::optional<FlightEntry> entry = source_.flights().reserve(source_.marks(), caller_);
    if (!entry) return;
    if (std::holds_alternative<FlightRefused>(*entry)) {
      counters.loads_refused.fetch_add(1);
      std::rethrow_exception(refused_by_budget());
    }
    if (auto* waiter = std::get_if<FlightWaiter>(&*entry)) {
      counters.loads_queued.fetch_add(1);
      std::optional<FlightResult> result = blocking_wait(*waiter, deadline_);
      if (!result) throw Timeout("gave up waiting for a turn to load: see LoadBudget");
      permit_.emplace(std::move(std::get<FlightLeader>(*result)));
    } else {
      permit_.emplace(std::move(std::get<FlightLeader>(*entry)));
    }
    caller_.permitted = true;
  }

  template <class Wanted>
  std::vector<One*> at() {
    std::vector<One*> those;
    for (One& one : all_)
      if (std::holds_alternative<Wanted>(one.action)) those.push_back(&one);
    return those;
  }
  // Those of them that are about the same tier as the first.
  template <class Wanted>
  std::vector<One*> at_one_tier() {
    std::vector<One*> those = at<Wanted>();
    if (those.empty()) return those;
    const SharedTier* const tier = std::get<Wanted>(those.front()->action).tier;
    std::erase_if(those,
                  [tier](const One* one) { return std::get<Wanted>(one->action).tier != tier; });
    return those;
  }
  // All of the caller's code that runs on the way may read.
  template <class Work>
  void inside(Work&& work) {
    std::optional<LeadingScope> leading;
    if (std::ranges::any_of(all_, [](const One& one) { return one.machine.leads(); }))
      leading.emplace(caller_.id);
    work();
  }
  template <class Step>
  void step(One& one, Step&& take) {
    inside([&] { one.action = take(); });
  }

  bool advance() {
    return one_by_one<ReadMachine::Analyse>() || reach() || one_by_one<ReadMachine::Refresh>() ||
           one_by_one<ReadMachine::Prove>() || hand_nothing_over() || poll() || load() || store() ||
           one_by_one<ReadMachine::Release>();
  }

  template <class Wanted>
  bool one_by_one() {
    const auto those = at<Wanted>();
    for (One* const one : those)
      step(*one, [&] {
        return BlockingSteps{source_, one->request, one->machine}(std::get<Wanted>(one->action));
      });
    return !those.empty();
  }

  // Handed over one by one, they would be as many statements.
  bool hand_nothing_over() {
    const auto those = at<ReadMachine::HandOver>();
    for (One* const one : those) step(*one, [&] { return one->machine.resume_handed_over(false); });
    return !those.empty();
  }

  // One look at the log that begins now is late enough for all that ask for the same.
  bool reach() {
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

  bool poll() {
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

  bool load() {
    const auto those = at<ReadMachine::Load>();
    if (those.empty()) return false;
    const bool replica =
        std::ranges::all_of(those, [](const One* one) { return one->request.replica_serves; });
    std::vector<ManyLoads::Wanted> wanted;
    wanted.reserve(those.size());
    for (const One* const one : those)
      wanted.push_back({one->number, &std::get<ReadMachine::Load>(one->action).init});
    std::vector<ManyLoads::Answer> answers;
    std::exception_ptr error;
    inside([&] {
      try {
        answers = loads_.load(wanted, replica);
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

  bool store() {
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

  // Until one of those that wait has moved.
  void wait() {
    for (;;) {
      bool moved = false;
      Deadline soonest;
      for (One* const one : at<ReadMachine::Await>()) {
        const auto& waits = std::get<ReadMachine::Await>(one->action);
        if (!one->until) one->until.emplace(sooner(detail::deadline_of(waits.longest), deadline_));
        std::optional<FlightResult> result = waits.waiter->take(&one->waker);
        const Deadline until = *one->until;
        const bool late = until && std::chrono::steady_clock::now() >= *until;
        if (!result && !late) {
          soonest = sooner(soonest, until);
          continue;
        }
        moved = true;
        one->until.reset();
        step(*one, [&] {
          return result ? one->machine.resume(std::move(*result)) : one->machine.give_up();
        });
      }
      if (moved) return;
      static_cast<void>(sleeper_.sleep(soonest));
    }
  }

  [[nodiscard]] bool failed() const {
    return std::ranges::any_of(all_, [](const One& one) {
      const auto* done = std::get_if<ReadMachine::Done>(&one.action);
      return done != nullptr && done->error;
    });
  }
  // Those that still wait leave, where one has failed.
  std::vector<ReadResult> results() {
    for (One& one : all_)
      if (const auto* done = std::get_if<ReadMachine::Done>(&one.action);
          done != nullptr && done->error)
        std::rethrow_exception(done->error);
    std::vector<ReadResult> results;
    results.reserve(all_.size());
    for (One& one : all_) results.push_back(one.machine.take_result());
    return results;
  }

  Source& source_;
  ManyLoads& loads_;
  ReadCaller caller_;
  Deadline deadline_;
  std::optional<FlightLeader> permit_;
  Sleeper sleeper_;
  std::deque<One> all_;
};

}  // namespace

std::vector<ReadResult> blocking_read_many(Source& source, std::span<ReadRequest* const> requests,
                                           ManyLoads& loads) {
  if (requests.empty()) return {};
  return ManyReads(source, requests, loads).run();
}

}  // namespace querymark

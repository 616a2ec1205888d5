#pragma once  // For writers of drivers.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <optional>
#include <variant>
#include <vector>

#include "querymark/read/flight.hpp"
#include "querymark/read/read_caller.hpp"
#include "querymark/read/read_machine.hpp"
#include "querymark/read/read_request.hpp"
#include "querymark/read/running_read.hpp"

namespace querymark {

/// What has become of one read of several.
using ReadAnswer = std::variant<ReadResult, std::exception_ptr>;

/// Of all. Throws the error of the first that has one.
[[nodiscard]] std::vector<ReadResult> results_of(std::vector<ReadAnswer> answers);

/// The reads of several keys, each as a SingleRead would run it: but for one read of each shared tier, one
/// load, no lease among processes, and no executor. It is over as soon as one of them has failed, once those
/// that were under way are kept: what still waits then has an empty result.
class ManyReads final : public RunningReadOf<std::vector<ReadAnswer>> {
 public:
  /// The requests are of different keys of one query, and have the same options; they and the source must
  /// outlive the reads.
  ManyReads(Source& source, std::vector<ReadRequest*> requests);

  [[nodiscard]] Next next(ReadWaker& waker) override;
  void work() override;
  /// Requires that they are over. Of each, in their order.
  [[nodiscard]] std::vector<ReadAnswer> take() override;

 private:
  using Action = ReadMachine::Action;
  enum class State : std::uint8_t { begun, turn, ready, working, waiting, over };
  struct One {
    One(Source& source, ReadRequest& read, const ReadCaller& caller)
        : request(read), machine(source, read, caller) {}
    ReadRequest& request;
    detail::WakesRead wakes;  // outlives its machine's wait
    ReadMachine machine;
    Action action = ReadMachine::Done{};
    std::optional<Deadline> until{};  // of its wait, once that has begun
  };

  void reserve();
  [[nodiscard]] bool passes_by() const;
  void permitted(FlightLeader permit);
  void refuse(const std::exception_ptr& error);
  [[nodiscard]] bool has_turn(ReadWaker& waker);
  template <class Wanted>
  [[nodiscard]] std::vector<One*> at();
  template <class Wanted>
  [[nodiscard]] std::vector<One*> at_one_tier();
  template <class Work>
  void inside(Work&& work);
  template <class Step>
  void step(One& one, Step&& take);
  [[nodiscard]] bool advance();
  template <class Wanted>
  [[nodiscard]] bool one_by_one();
  [[nodiscard]] bool hand_nothing_over();
  [[nodiscard]] bool reach();
  [[nodiscard]] bool poll();
  [[nodiscard]] bool load();
  [[nodiscard]] bool store();
  [[nodiscard]] bool moved(ReadWaker& waker, Deadline& soonest);
  [[nodiscard]] bool failed() const;

  Source& source_;
  const std::vector<ReadRequest*> requests_;
  ReadCaller caller_;
  const Deadline deadline_;
  State state_ = State::begun;
  detail::WakesRead turn_wakes_;  // outlives the wait
  std::optional<FlightWaiter> turn_;
  Deadline turn_until_;
  std::optional<FlightLeader> permit_;
  std::deque<One> all_;
  std::ptrdiff_t leads_ = 0;  // so many of them
};

}  // namespace querymark

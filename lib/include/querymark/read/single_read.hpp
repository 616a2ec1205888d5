#pragma once  // For writers of drivers.

#include <memory>
#include <optional>
#include <utility>

#include "querymark/memory/entry.hpp"
#include "querymark/read/flight.hpp"
#include "querymark/read/read_machine.hpp"
#include "querymark/read/read_request.hpp"
#include "querymark/read/running_read.hpp"

namespace querymark {

/// The read of one key: a ReadMachine, and who does its actions. Source and request must outlive it.
class SingleRead final : public RunningRead {
 public:
  /// `load`: what loads for it, instead of the request.
  SingleRead(Source& source, ReadRequest& request, detail::LoopLoad* load = nullptr);
  /// Loads for those who wait for the flight.
  SingleRead(Source& source, ReadRequest& request, CallerId caller, FlightLeader leader);

  [[nodiscard]] Next next(ReadWaker& waker) override;
  void work() override;
  /// Requires that it is over. Throws its error.
  [[nodiscard]] ReadResult take() { return machine_.take_result(); }

  // --- For its own load, while `next` asks for that.
  /// What is to be loaded.
  [[nodiscard]] const EntryInit& init() const { return std::get<ReadMachine::Load>(action_).init; }
  /// What has come, or why nothing has.
  void loaded(LoadAnswer answer);
  /// Who reads what the load reads.
  [[nodiscard]] ReadCaller caller() const noexcept { return machine_.caller(); }

 private:
  template <class Wanted>
  [[nodiscard]] Wanted* at() noexcept {
    return std::get_if<Wanted>(&action_);
  }
  [[nodiscard]] bool blocks() const noexcept;
  [[nodiscard]] bool awaited(const ReadMachine::Await& await, ReadWaker& waker);
  [[nodiscard]] bool paused(const ReadMachine::Pause& pause);
  void step();

  Source& source_;
  ReadRequest& request_;
  detail::LoopLoad* const load_;
  const Deadline deadline_;
  detail::WakesRead wakes_;  // outlives the machine's wait
  ReadMachine machine_;
  std::optional<FlightLeader> lead_{};  // until it has begun
  bool begun_ = false;
  ReadMachine::Action action_ = ReadMachine::Done{};
  std::optional<Deadline> until_{};  // of its wait or pause, once that has begun
};

}  // namespace querymark

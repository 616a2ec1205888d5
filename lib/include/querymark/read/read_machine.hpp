#pragma once

#include <exception>
#include <optional>
#include <variant>
#include <vector>

#include "querymark/read/flight.hpp"
#include "querymark/read/read_request.hpp"
#include "querymark/read/source.hpp"
#include "querymark/support/distinct.hpp"

namespace querymark {

/// The read path of one miss as a state machine without I/O: a driver asks what to do next, does
/// it, and tells the machine what came of it. The blocking driver is `Source::read`; tests drive it
/// step by step.
///
///   start -> Await (another's load) -> resume(FlightResult)
///         -> PollTier (per shared tier) -> resume(optional<SharedValue>)
///         -> Load -> resume(Loaded) or fail(exception)
///         -> StoreShared (per shared tier) -> resume_stored()
///         -> Done
///
/// Not thread-safe; one machine serves one call.
class ReadMachine {
 public:
  struct Await {
    FlightWaiter* waiter;
  };
  struct PollTier {
    SharedTier* tier;
    Digest name;
  };
  struct Load {
    EntryInit init;
  };
  struct StoreShared {
    SharedTier* tier;
    Digest name;
    SharedValue value;
  };
  struct Done {};
  using Action = std::variant<Await, PollTier, Load, StoreShared, Done>;

  ReadMachine(Source& source, ReadRequest& request);

  /// Throws ConfigError when the caller declares more targets than an entry can carry.
  [[nodiscard]] Action start();
  [[nodiscard]] Action resume(FlightResult result);
  [[nodiscard]] Action resume(std::optional<SharedValue> value);
  [[nodiscard]] Action resume(Loaded loaded);
  [[nodiscard]] Action resume_stored();
  /// The load failed. All who share it get the same error; the driver rethrows it.
  void fail(const std::exception_ptr& error) noexcept;

  /// Whether others may wait for the load that the driver runs.
  [[nodiscard]] bool leads() const noexcept { return leader_.has_value(); }
  /// Requires Done.
  [[nodiscard]] ReadResult take_result() { return std::move(result_); }

 private:
  [[nodiscard]] Action enter();
  [[nodiscard]] Action lead(FlightLeader leader);
  [[nodiscard]] Action poll_next_tier();
  [[nodiscard]] Action load();
  [[nodiscard]] bool trusted_now();
  [[nodiscard]] Action store_next_tier();
  [[nodiscard]] Action finish(EntryRef entry, const Outcome& outcome);
  [[nodiscard]] EntryInit init(MonotonicTime loaded, MonotonicTime expires,
                               std::uint64_t generation) const;
  [[nodiscard]] Stored keep(const EntryRef& entry, const Loaded& loaded);
  [[nodiscard]] Digest shared_name();

  Source& source_;
  ReadRequest& request_;
  std::chrono::nanoseconds ttl_;
  std::vector<Target> targets_;
  std::vector<TargetId> required_;  // the caller's own and the key's
  Distinct<TargetId>
      target_ids_;  // what the entry will carry: `required_` and what others declared
  MonotonicTime expires_limit_ = MonotonicTime::max();
  MonotonicTime began_;
  Stamp stamp_;
  std::optional<FlightLeader> leader_;
  std::optional<FlightWaiter> waiter_;
  std::optional<Digest> name_;
  std::optional<SharedValue> to_share_;
  std::size_t tier_ = 0;
  unsigned joins_ = 0;
  std::optional<Stored> bypass_;  // why the cache is passed by, if it is
  ReadResult result_;
};

}  // namespace querymark

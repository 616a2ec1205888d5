#pragma once

#include <atomic>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/deliver/target_breaker.hpp"
#include "querymark/deliver/worker.hpp"
#include "target.hpp"

namespace querymark {

/// What a worker remembers from round to round. The database remembers the rest.
struct WorkerMemory {
  TargetBreaker breaker;
  Epoch epoch;  ///< Of the last claim; what a control operation is made in.
  /// How often the target has gone down since it last took all there was. From the second time on
  /// it goes row by row: does one row take it down? One that does it three times in a row is
  /// poison.
  unsigned openings = 0;
  std::optional<SharedInvalidation> suspect;
  unsigned suspected = 0;
  /// When the round that goes on last came on, in nanoseconds of the clock; zero: none goes on.
  std::atomic<std::int64_t> step{0};
};

/// What is done under one claim.
///
///   a flush is owed     -> apply it, record that it is paid
///   the target is new,
///   or history changed  -> one flush instead of the segment
///   else                page by page: apply, record with the cursor what is left behind.
///                       Row by row where a worker (the claim's attempts) or the target itself
///                       (`openings`) has gone down in the segment before. Where the target hands
///                       the log on, the segment is first handed on as a whole
///   then                what is due of earlier deliveries
///
/// An outage ends it at once: the breaker opens, and nobody's attempt is used up. So does losing
/// the claim: nothing is recorded any more, and nothing counted as its own.
class Round {
 public:
  Round(const WorkerLog& log, Applier& applier, const WorkerOptions& options, WorkerMemory& memory,
        const Claim& claim, const std::stop_token& stop);

  /// Throws what the log throws. Afterwards `result()` and `error()` tell what it came to.
  void run();
  [[nodiscard]] const WorkerRound& result() const noexcept { return result_; }
  /// Why the target took something not; empty when it took all.
  [[nodiscard]] const std::string& error() const noexcept { return error_; }

 private:
  bool pay_flush();
  // All between `from` and the segment's end, to those who do not read the log.
  bool hand_on(const Snapshot& from, std::optional<std::span<const LogRow>> rows);
  bool flush_instead();
  bool segment();
  bool due();
  bool batch(const std::vector<SharedInvalidation>& wanted);
  bool row_by_row(const std::vector<SharedInvalidation>& wanted);
  // Applies claimed deliveries, and records what became of each; adds to `applied`, if there is one,
  // what the next record of the cursor may supersede others by.
  bool attempt(const std::vector<Delivery<delivery::Claimed>>& taken,
               std::vector<SharedInvalidation>* applied);
  // A row at which the target went down: whether it did so for the third time in a row.
  [[nodiscard]] bool breaks_the_target(const SharedInvalidation& wanted);
  // The target has taken it: it was something else that took it down before.
  void acquit(const SharedInvalidation& applied);
  bool record(const Cursor& cursor);
  bool outage(std::string_view error);
  void open_breaker(std::string_view error);
  bool fenced();
  void leave(const SharedInvalidation& wanted, const TargetVerdict& verdict);
  [[nodiscard]] Settled failed(const DeliveryRecord& record, const TargetVerdict& verdict);
  [[nodiscard]] std::optional<Settled> not_to_be_tried(const DeliveryRecord& record);
  bool keep_lease();
  [[nodiscard]] WallTime database_now() const;

  const WorkerLog& log_;
  TargetProbe target_;
  const WorkerOptions& options_;
  WorkerMemory& memory_;
  const Claim& claim_;
  const std::stop_token& stop_;
  MonotonicTime began_;
  MonotonicTime renewed_;
  std::vector<LeftBehind> left_;
  std::vector<SharedInvalidation> applied_;  // only while deliveries wait that it may supersede
  // Rows read since the cursor was last recorded, and what became of them.
  struct {
    std::uint64_t claimed = 0, malformed = 0, left = 0, died = 0;
    std::uint64_t elsewhere = 0;  // counted already, as deliveries that were settled
  } page_;
  WorkerRound result_;
  std::string error_;
};

}  // namespace querymark

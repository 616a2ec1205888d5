#pragma once  // For users.

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/log/coverage.hpp"
#include "querymark/log/deliveries.hpp"
#include "querymark/log/intent.hpp"
#include "querymark/log/log_claims.hpp"
#include "querymark/log/log_reader.hpp"
#include "querymark/log/pruning.hpp"
#include "querymark/log/receipt.hpp"
#include "querymark/log/subscribers.hpp"
#include "querymark/support/clock.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark {

/// An outbox without a database, with the same contracts: for users' own tests, and for
/// `get_or_load` caches whose writers live in the same process. Thread-safe.
class MemoryOutbox final : public LogReader,
                           public LogClaims,
                           public Deliveries,
                           public Coverage,
                           public Subscribers,
                           public Pruning {
 public:
  explicit MemoryOutbox(std::string namespace_name, const Clock& clock = system_clock());

  /// Appends the batch as one committed transaction.
  Receipt append(const IntentBatch& intents);
  /// Appends a row that no consumer can understand, as a foreign writer might.
  void append_malformed();
  /// Appends an intent as triggers make them: see tracked.hpp.
  void append_tracked(std::string_view kind, std::string_view text);
  /// Forgets rows below `floor`, whoever has yet to read them.
  void prune(Position floor);
  /// Forgets everything and starts a new epoch, as a restore of the database would.
  void replace_history();

  [[nodiscard]] Cursor now() override;
  [[nodiscard]] TailPage read(const TailRequest& request) override;
  [[nodiscard]] Cursor retained() override;
  [[nodiscard]] bool holds(const Receipt& receipt) override;
  [[nodiscard]] ClaimResult claim(const std::string& consumer, const std::string& owner,
                                  std::chrono::milliseconds lease) override;
  [[nodiscard]] bool advance(const Claim& claim, const Cursor& cursor) override;
  [[nodiscard]] bool renew(const Claim& claim, std::chrono::milliseconds lease) override;
  void release(const std::string& consumer, const std::string& owner) override;

  [[nodiscard]] bool record(const Claim& claim, const Progress& progress,
                            OnDeath on_death) override;
  [[nodiscard]] Taken take_row(const Claim& claim, const SharedInvalidation& row,
                               std::chrono::milliseconds lifetime) override;
  [[nodiscard]] Taken take_due(const Claim& claim, std::size_t limit) override;
  [[nodiscard]] bool settle(const Claim& claim, std::span<const Settled> outcomes,
                            OnDeath on_death) override;
  [[nodiscard]] bool pay_flush(const Claim& claim, Position position) override;
  [[nodiscard]] bool forgive(const Claim& claim, const std::string& reason) override;
  [[nodiscard]] std::vector<DeliveryRow> list(const DeliveryFilter& filter) override;
  [[nodiscard]] std::vector<std::uint64_t> decide(std::span<const SeenDelivery> seen,
                                                  Decision decision) override;

  [[nodiscard]] LogCoverage coverage(Position first, Position last) override;

  void enter(const SubscriberEntry& entry) override;
  [[nodiscard]] Beaten beat(SubscriberId id, const Cursor& cursor) override;
  void leave(SubscriberId id) override;
  [[nodiscard]] std::vector<SubscriberRow> subscribers() override;
  bool reap(SubscriberId id, std::uint64_t seen) override;
  void ask_report() override;
  /// Called by `ask_report`, as a doorbell would be: from any thread. Set before the first call.
  std::function<void()> on_ask_report;

  [[nodiscard]] LogExtent extent() override;
  bool record_snapshot(std::chrono::milliseconds apart, std::chrono::milliseconds keep) override;
  [[nodiscard]] bool allow(Epoch epoch, const Snapshot& snapshot) override;
  [[nodiscard]] Removed remove(std::size_t limit) override;
  std::size_t remove_deliveries(std::chrono::milliseconds keep, std::size_t limit) override;

 private:
  struct Waiting {
    DeliveryRecord record;
    DeliveryState state = DeliveryState::pending;
    WriteId token;  // of the claim, while claimed
    WallTime created_at;
    WallTime changed_at;
    void move_to(DeliveryState to, WallTime now) {
      state = to;
      changed_at = now;
    }
    // Of the same target at the same position, read in another page: for all from here on.
    void stand_for(Position first) {
      record.first_position = std::min(record.first_position, first);
    }
    [[nodiscard]] bool open() const {
      return state == DeliveryState::pending || state == DeliveryState::claimed;
    }
    // What was changed later than now waits by a clock that has been put back.
    [[nodiscard]] WallTime due_at(WallTime now) const {
      return changed_at > now ? now : record.available_at;
    }
    [[nodiscard]] bool due(WallTime now) const {
      return state == DeliveryState::pending && due_at(now) <= now;
    }
  };
  struct Consumer {
    std::optional<Cursor> cursor;  // nothing: registered, never advanced
    std::string owner;
    WriteId token;
    MonotonicTime lease_end;
    unsigned attempts = 0;
    std::optional<Position> flush_owed;
    std::map<std::uint64_t, Waiting> deliveries;
  };
  struct Following {
    SubscriberRow row;
    MonotonicTime heard;
  };
  struct Recorded {
    Snapshot snapshot;
    MonotonicTime at;
  };
  [[nodiscard]] Cursor end() const QUERYMARK_REQUIRES(mutex_);
  [[nodiscard]] std::chrono::milliseconds since(MonotonicTime then) const;
  [[nodiscard]] Beaten beaten(const Heartbeat& beat, const Cursor& cursor)
      QUERYMARK_REQUIRES(mutex_);
  [[nodiscard]] bool lost_rows(const Cursor& from) const QUERYMARK_REQUIRES(mutex_);
  [[nodiscard]] Consumer* held(const Claim& claim) QUERYMARK_REQUIRES(mutex_);
  // In how long the next delivery is due.
  [[nodiscard]] std::optional<std::chrono::milliseconds> due_in(const Consumer& row) const;
  static void owe_flush(Consumer& row, Position position);
  static void supersede(Consumer& row, const SharedInvalidation& applied, WallTime now);
  [[nodiscard]] static Delivery<delivery::Claimed> claimed(Waiting& waiting, WriteId token,
                                                           WallTime now);

  std::string namespace_name_;
  const Clock& clock_;
  Mutex mutex_;
  Epoch epoch_ QUERYMARK_GUARDED_BY(mutex_) = Epoch::random();
  Position floor_{1};
  Position last_;
  WriteId last_write_;
  std::vector<LogRow> rows_;
  std::map<std::string, Consumer> consumers_;
  std::uint64_t last_delivery_ = 0;
  std::map<SubscriberId, Following> subscribers_;
  std::vector<Recorded> recorded_;
};

}  // namespace querymark

#pragma once

#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "property/committed_intents.hpp"
#include "property/wrongs.hpp"
#include "querymark/log/coverage.hpp"
#include "querymark/log/deliveries.hpp"
#include "querymark/log/log_claims.hpp"
#include "querymark/log/log_reader.hpp"
#include "querymark/log/pruning.hpp"
#include "querymark/log/subscribers.hpp"
#include "querymark/support/clock.hpp"

namespace querymark::test {

/// The log of one namespace, of whatever database.
struct LogPorts {
  LogReader& reader;
  LogClaims& claims;
  Deliveries& deliveries;
  Coverage& coverage;
  Subscribers& subscribers;
  Pruning& pruning;
};

/// What is written down of one namespace's consumers and deliveries.
struct ConsumersLook {
  Epoch epoch;
  std::map<std::string, ConsumerCoverage> consumers;
  std::map<std::uint64_t, DeliveryRow> deliveries;
};

/// A log between workers, operators and pruners on one side and the real one on the other: each call
/// is one step, before and after which all that is written down is looked at. What has changed must
/// be what that call may change, by the table of a delivery's states, under the token that holds the
/// consumer; and no wait may be satisfied by what its target has not been told.
class CheckedLog final : public LogClaims, public Deliveries, public Pruning {
 public:
  /// `leases`: the clock by which the database judges them, in milliseconds.
  CheckedLog(LogPorts real, CommittedIntents& intents, std::vector<std::string> targets,
             const Clock& clock, std::function<std::int64_t()> leases, Wrongs& wrongs)
      : real_(real),
        intents_(intents),
        targets_(std::move(targets)),
        clock_(clock),
        leases_(std::move(leases)),
        wrongs_(wrongs),
        seen_(look()) {}

  /// Of what only the world does: writes, and the loss of the history.
  void refresh() {
    const ConsumersLook before = std::exchange(seen_, look());
    compare(before, [](auto, auto) { return false; }, "a write changes deliveries");
    require(same_consumers(before, {}), "a write changes consumers");
    check_waits();
  }
  [[nodiscard]] const ConsumersLook& seen() const noexcept { return seen_; }
  [[nodiscard]] bool holds(const Claim& claim) {
    return holders_[claim.consumer].token == claim.token;
  }
  /// How often its segment has been claimed, as far as that counts.
  [[nodiscard]] unsigned attempts(const std::string& consumer) {
    return holders_[consumer].attempts;
  }
  /// A consumer is moved past rows that it has not read: only where there are more than may stay.
  bool may_outrun = false;
  std::uint64_t fenced = 0, superseded = 0, died = 0, paid = 0, taken_rows = 0;

  // --- claims
  [[nodiscard]] ClaimResult claim(const std::string& consumer, const std::string& owner,
                                  std::chrono::milliseconds lease) override {
    const std::int64_t now = leases_();
    ClaimResult result = real_.claims.claim(consumer, owner, lease);
    const ConsumersLook before = std::exchange(seen_, look());
    Holder& holder = holders_[consumer];
    const ConsumerCoverage* const row = consumer_of(seen_, consumer);
    const bool runs = !holder.owner.empty() && now < holder.until - 2 &&
                      holder.until - now <= kLongestLease.count();
    require(same_consumers(before, {}), "a claim moves a consumer");
    if (result.status == ClaimStatus::claimed) {
      const Claim& claim = result.claim;
      require(!runs || holder.owner == owner, "claimed while another's lease runs");
      holder = {owner, claim.token, now + lease.count(), holder.attempts + 1};
      require(claim.attempts == holder.attempts, "the segment's attempts");
      require(claim.flush_owed == row->flush_owed, "the flush that is owed");
      require(claim.flush_first || claim.from == without_witness(claim.from, *row->cursor),
              "a segment begins where its consumer stands");
      require(claim.waiting == waits(before, consumer), "deliveries wait");
      compare(
          before,
          [&](const DeliveryRow* from, const DeliveryRow* to) {
            return from != nullptr && to != nullptr && from->consumer == consumer &&
                   from->state == DeliveryState::claimed && to->state == DeliveryState::pending &&
                   from->record.attempts == to->record.attempts;
          },
          "a claim changes deliveries");
    } else {
      compare(before, [](auto, auto) { return false; }, "no claim, but a change");
      if (result.status == ClaimStatus::held_elsewhere)
        require(!holder.owner.empty() && holder.owner != owner, "held by nobody");
      else
        check_idle(consumer, *row, result);
    }
    return result;
  }
  [[nodiscard]] bool advance(const Claim& claim, const Cursor& cursor) override {
    const bool done = real_.claims.advance(claim, cursor);
    const ConsumersLook before = std::exchange(seen_, look());
    compare(before, [](auto, auto) { return false; }, "an advance changes deliveries");
    moved(before, claim, cursor, done);
    return done;
  }
  [[nodiscard]] bool renew(const Claim& claim, std::chrono::milliseconds lease) override {
    const std::int64_t now = leases_();
    const bool done = real_.claims.renew(claim, lease);
    unchanged("a renewal changes something");
    guarded(claim, done);
    if (done) holders_[claim.consumer].until = now + lease.count();
    return done;
  }
  void release(const std::string& consumer, const std::string& owner) override {
    real_.claims.release(consumer, owner);
    unchanged("a release changes something");
    if (Holder& holder = holders_[consumer]; holder.owner == owner) holder = {};
  }

  // --- deliveries
  [[nodiscard]] bool record(const Claim& claim, const Progress& progress,
                            OnDeath on_death) override {
    const bool done = real_.deliveries.record(claim, progress, on_death);
    const ConsumersLook before = std::exchange(seen_, look());
    std::size_t added = 0;
    compare(
        before,
        [&](const DeliveryRow* from, const DeliveryRow* to) {
          if (!done || to == nullptr || to->consumer != claim.consumer) return false;
          if (from == nullptr) return ++added, is_left(*to, claim, progress);
          return is_superseded(*from, *to) &&
                 (from->record.epoch != claim.upto.epoch ||
                  std::ranges::any_of(progress.applied, [&](const SharedInvalidation& each) {
                    return does_the_work_of(each, from->record);
                  }));
        },
        "a record of progress changes deliveries",
        [&](const DeliveryRow& from, const DeliveryRow& to) {
          return done && std::ranges::any_of(progress.left, [&](const LeftBehind& each) {
                   return widens(from, to, claim, each.target, each.first_position, each.position);
                 });
        });
    require(added <= progress.left.size(), "more was left than was said");
    moved(before, claim, progress.cursor, done);
    if (!done || on_death == OnDeath::nothing) return done;
    for (const LeftBehind& left : progress.left)
      if (left.target && left.state != DeliveryState::pending && !knows(before, claim, left))
        owes(claim.consumer, left.position);
    return done;
  }
  [[nodiscard]] Taken take_row(const Claim& claim, const SharedInvalidation& row,
                               std::chrono::milliseconds lifetime) override {
    Taken taken = real_.deliveries.take_row(claim, row, lifetime);
    const ConsumersLook before = std::exchange(seen_, look());
    guarded(claim, taken.has_value());
    const std::size_t changes = compare(
        before,
        [&](const DeliveryRow* from, const DeliveryRow* to) {
          return taken && to != nullptr && to->consumer == claim.consumer &&
                 to->state == DeliveryState::claimed && to->record.epoch == claim.upto.epoch &&
                 to->record.target == row.target && to->record.position == row.position &&
                 (from == nullptr ? to->record.attempts == 1 : is_taken(*from, *to));
        },
        "taking a row changes deliveries",
        [&](const DeliveryRow& from, const DeliveryRow& to) {
          return taken && widens(from, to, claim, row.target, row.first_position, row.position);
        });
    require(changes == (taken ? taken->size() : 0) && changes <= 1, "one row is taken, or none");
    require(same_consumers(before, {}), "taking a row moves a consumer");
    taken_rows += changes;
    return taken;
  }
  [[nodiscard]] Taken take_due(const Claim& claim, std::size_t limit) override {
    Taken taken = real_.deliveries.take_due(claim, limit);
    const ConsumersLook before = std::exchange(seen_, look());
    guarded(claim, taken.has_value());
    const std::size_t changes = compare(
        before,
        [&](const DeliveryRow* from, const DeliveryRow* to) {
          return taken && from != nullptr && to != nullptr && to->consumer == claim.consumer &&
                 is_taken(*from, *to) && from->record.epoch == claim.upto.epoch;
        },
        "taking what is due changes deliveries");
    require(changes == (taken ? taken->size() : 0) && changes <= limit, "what is due is taken");
    require(same_consumers(before, {}), "taking what is due moves a consumer");
    return taken;
  }
  [[nodiscard]] bool settle(const Claim& claim, std::span<const Settled> outcomes,
                            OnDeath on_death) override {
    const bool done = real_.deliveries.settle(claim, outcomes, on_death);
    const ConsumersLook before = std::exchange(seen_, look());
    guarded(claim, done);
    compare(
        before,
        [&](const DeliveryRow* from, const DeliveryRow* to) {
          return done && from != nullptr && from->state == DeliveryState::claimed &&
                 from->consumer == claim.consumer &&
                 std::ranges::any_of(outcomes, [&](const Settled& each) {
                   return each.id == from->record.id && is_settled(*from, to, each, on_death);
                 });
        },
        "a settlement changes deliveries");
    return done;
  }
  [[nodiscard]] bool pay_flush(const Claim& claim, Position position) override {
    const bool done = real_.deliveries.pay_flush(claim, position);
    const ConsumersLook before = std::exchange(seen_, look());
    guarded(claim, done);
    compare(
        before,
        [&](const DeliveryRow* from, const DeliveryRow* to) {
          return done && from != nullptr && to != nullptr && from->consumer == claim.consumer &&
                 is_superseded(*from, *to) &&
                 (from->record.epoch != claim.upto.epoch || from->record.position <= position);
        },
        "paying a flush changes deliveries");
    require(same_consumers(before, done ? claim.consumer : ""), "paying a flush moves a consumer");
    if (done) {
      ++paid;
      require(same_cursor(before, claim.consumer), "paying a flush moves the cursor");
      const auto& then = consumer_of(before, claim.consumer)->flush_owed;
      const auto& now = consumer_of(seen_, claim.consumer)->flush_owed;
      require(now == (then > claim.flush_owed ? then : std::nullopt), "what is owed after payment");
      for (const auto& [id, row] : seen_.deliveries)
        if (row.consumer == claim.consumer && row.record.target &&
            row.record.epoch == seen_.epoch && row.record.position <= claim.flush_owed &&
            (row.state == DeliveryState::dead || row.state == DeliveryState::expired))
          require(intents_.told(index_of(row.consumer), row.record),
                  "paid, though the target was not told of what had died");
    }
    return done;
  }
  [[nodiscard]] bool forgive(const Claim& claim, const std::string& reason) override {
    const bool done = real_.deliveries.forgive(claim, reason);
    unchanged("forgiving changes something");
    guarded(claim, done);
    if (unsigned& attempts = holders_[claim.consumer].attempts; done && attempts > 0) --attempts;
    return done;
  }
  [[nodiscard]] std::vector<DeliveryRow> list(const DeliveryFilter& filter) override {
    return real_.deliveries.list(filter);
  }
  [[nodiscard]] std::vector<std::uint64_t> decide(std::span<const SeenDelivery> seen,
                                                  Decision decision) override {
    std::vector<std::uint64_t> moved = real_.deliveries.decide(seen, decision);
    const ConsumersLook before = std::exchange(seen_, look());
    const std::size_t changes = compare(
        before,
        [&](const DeliveryRow* from, const DeliveryRow* to) {
          if (from == nullptr || to == nullptr || decided(from->state, decision) != to->state ||
              std::ranges::find(moved, from->record.id) == moved.end())
            return false;
          return decision != Decision::retry ||
                 (from->record.target && from->record.epoch == seen_.epoch &&
                  to->record.attempts == 0);
        },
        "a decision changes deliveries");
    require(changes == moved.size(), "a decision moves what it says");
    require(same_consumers(before, {}), "a decision moves a consumer");
    return moved;
  }

  // --- pruning
  [[nodiscard]] LogExtent extent() override { return real_.pruning.extent(); }
  bool record_snapshot(std::chrono::milliseconds apart, std::chrono::milliseconds keep) override {
    return real_.pruning.record_snapshot(apart, keep);
  }
  [[nodiscard]] bool allow(Epoch epoch, const Snapshot& snapshot) override {
    const LogExtent before = real_.pruning.extent();
    const bool done = real_.pruning.allow(epoch, snapshot);
    const LogExtent after = real_.pruning.extent();
    unchanged("what may go changes a consumer");
    require(after.pruned.contains(before.pruned), "what may be gone comes back");
    if (may_outrun) return done;
    for (const LogHolder& holder : before.holders)
      require(!holder.cursor || holder.cursor->epoch != before.epoch ||
                  !holder.cursor->snapshot.contains(before.pruned) ||
                  holder.cursor->snapshot.contains(after.pruned),
              "rows may go that somebody has yet to read");
    return done;
  }
  [[nodiscard]] Removed remove(std::size_t limit) override {
    const Removed removed = real_.pruning.remove(limit);
    unchanged("removing rows changes deliveries");
    return removed;
  }
  std::size_t remove_deliveries(std::chrono::milliseconds keep, std::size_t limit) override {
    const std::size_t removed = real_.pruning.remove_deliveries(keep, limit);
    for (CheckedLog* each : of_database) each->took_away(keep);
    return removed;
  }
  /// Those of all namespaces, this one included: they are pruned together.
  std::vector<CheckedLog*> of_database;

 private:
  struct Holder {
    std::string owner;
    WriteId token;
    std::int64_t until = 0;
    unsigned attempts = 0;
  };
  void require(bool right, std::string_view what) { wrongs_.require(right, what); }
  [[nodiscard]] ConsumersLook look() {
    ConsumersLook found;
    LogCoverage coverage = real_.coverage.coverage({1}, {std::numeric_limits<std::int64_t>::max()});
    found.epoch = coverage.end.epoch;
    for (ConsumerCoverage& each : coverage.consumers)
      found.consumers.emplace(each.name, std::move(each));
    DeliveryFilter all;
    all.limit = 1'000'000;
    for (DeliveryRow& row : real_.deliveries.list(all))
      found.deliveries.emplace(row.record.id, std::move(row));
    return found;
  }
  using Allowed = std::function<bool(const DeliveryRow* from, const DeliveryRow* to)>;
  // One that is read again in another page stands for more than it did.
  using Widened = std::function<bool(const DeliveryRow& from, const DeliveryRow& to)>;
  std::size_t compare(
      const ConsumersLook& before, const Allowed& allowed, std::string_view what,
      const Widened& widened = [](const auto&, const auto&) { return false; });
  [[nodiscard]] static bool widens(const DeliveryRow& from, const DeliveryRow& to,
                                   const Claim& claim, const std::optional<Target>& target,
                                   Position first, Position last);
  void unchanged(std::string_view what) {
    const ConsumersLook before = std::exchange(seen_, look());
    compare(before, [](auto, auto) { return false; }, what);
    require(same_consumers(before, {}), what);
  }
  [[nodiscard]] static const ConsumerCoverage* consumer_of(const ConsumersLook& in,
                                                           const std::string& name) {
    const auto found = in.consumers.find(name);
    return found == in.consumers.end() ? nullptr : &found->second;
  }
  // All but that one: a new one is registered by its first claim.
  [[nodiscard]] bool same_consumers(const ConsumersLook& before, const std::string& but) const;
  [[nodiscard]] bool same_cursor(const ConsumersLook& before, const std::string& name) const {
    return consumer_of(before, name)->cursor == consumer_of(seen_, name)->cursor;
  }
  [[nodiscard]] static Cursor without_witness(const Cursor& like, Cursor cursor) {
    cursor.last_write = like.last_write;
    return cursor;
  }
  [[nodiscard]] static bool waits(const ConsumersLook& in, const std::string& consumer);
  [[nodiscard]] bool is_due(const DeliveryRow& row) const {
    const WallTime now = clock_.wall_now();
    return row.record.available_at <= now + std::chrono::milliseconds(2) ||
           row.changed_at + std::chrono::milliseconds(2) >= now;
  }
  void check_idle(const std::string& consumer, const ConsumerCoverage& row,
                  const ClaimResult& result);
  void guarded(const Claim& claim, bool done);
  void moved(const ConsumersLook& before, const Claim& claim, const Cursor& cursor, bool done);
  void owes(const std::string& consumer, Position position) {
    const auto& owed = consumer_of(seen_, consumer)->flush_owed;
    require(owed && *owed >= position, "a death owes a flush");
    ++died;
  }
  // What became of it has been recorded already, row by row.
  [[nodiscard]] static bool knows(const ConsumersLook& in, const Claim& claim,
                                  const LeftBehind& left) {
    return std::ranges::any_of(in.deliveries, [&](const auto& each) {
      const DeliveryRow& row = each.second;
      return row.consumer == claim.consumer && row.record.epoch == claim.upto.epoch &&
             row.record.target == left.target && row.record.position == left.position;
    });
  }
  [[nodiscard]] bool is_left(const DeliveryRow& row, const Claim& claim, const Progress& progress);
  [[nodiscard]] bool is_superseded(const DeliveryRow& from, const DeliveryRow& to);
  [[nodiscard]] bool is_taken(const DeliveryRow& from, const DeliveryRow& to) const {
    return from.state == DeliveryState::pending && to.state == DeliveryState::claimed &&
           is_due(from) && to.record.attempts == from.record.attempts + 1;
  }
  [[nodiscard]] bool is_settled(const DeliveryRow& from, const DeliveryRow* to,
                                const Settled& outcome, OnDeath on_death);
  [[nodiscard]] static bool does_the_work_of(const SharedInvalidation& applied,
                                             const DeliveryRecord& record) {
    return record.position <= applied.position &&
           (applied.target.is_flush() || record.target == applied.target);
  }
  [[nodiscard]] std::size_t index_of(const std::string& consumer) const {
    return static_cast<std::size_t>(std::ranges::find(targets_, consumer) - targets_.begin());
  }
  void check_waits();
  // Old deliveries have been removed.
  void took_away(std::chrono::milliseconds keep);

  LogPorts real_;
  CommittedIntents& intents_;
  std::vector<std::string> targets_;
  const Clock& clock_;
  std::function<std::int64_t()> leases_;
  Wrongs& wrongs_;
  std::map<std::string, Holder> holders_;
  ConsumersLook seen_;
};

}  // namespace querymark::test

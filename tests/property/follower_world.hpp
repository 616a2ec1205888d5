#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "querymark/log/deliveries.hpp"
#include "querymark/log/log_claims.hpp"
#include "querymark/log/log_reader.hpp"

// A database as a model: overlapping transactions, whose log is read by snapshots.

namespace querymark::test {

/// Keys hold versions that writes count up. Transactions get their ids when they begin and become
/// visible when they commit, in any order. `interlude` is called wherever a worker asks, and may do
/// anything else.
class ModelDatabase final : public LogReader, public LogClaims, public Deliveries {
 public:
  static constexpr std::size_t kKeys = 4;
  struct Write {
    Position position;
    std::vector<std::size_t> keys;
    std::vector<std::optional<Target>> rows;  // of the log; nothing: a malformed one
  };

  std::function<void()> interlude = [] {};
  /// Called before a cursor is recorded; a worker that is to die there dies of what it throws.
  std::function<void()> before_advance = [] {};

  [[nodiscard]] static Target target(std::size_t key) { return entity("key", key); }

  Position begin(const std::vector<std::size_t>& keys) {
    std::vector<std::optional<Target>> rows;
    rows.reserve(keys.size());
    for (const std::size_t key : keys) rows.emplace_back(target(key));
    return begin(keys, std::move(rows));
  }
  Position begin(std::vector<std::size_t> keys, std::vector<std::optional<Target>> rows) {
    const Position position{next_++};
    running_[position] = {position, std::move(keys), std::move(rows)};
    return position;
  }
  [[nodiscard]] const std::map<Position, Write>& running() const { return running_; }
  void commit(Position position) {
    const Write write = running_.at(position);
    running_.erase(position);
    for (const std::size_t key : write.keys) ++versions[key];
    for (const std::optional<Target>& row : write.rows)
      rows_.push_back({++last_row_, position, {position.value}, row});
    end(position);
  }
  void roll_back(Position position) {
    running_.erase(position);
    end(position);
  }
  /// A crash: what ran is lost, ids that were seen are handed out again, the log is emptied.
  void crash(std::uint64_t ids_lost) {
    running_.clear();
    rows_.clear();
    epoch_ = Epoch{++epochs_, 7};
    next_ -= std::min(next_ - 1, ids_lost);
    ended_ = {next_ - 1};
    pruned_ = snapshot();
  }
  void prune() {
    pruned_ = snapshot();
    std::erase_if(rows_, [&](const LogRow& row) { return pruned_.covers(row.position); });
  }
  [[nodiscard]] Epoch epoch() const { return epoch_; }
  void end_leases() {
    for (auto& [name, consumer] : consumers_) consumer.owner.clear();
  }

  std::map<std::size_t, std::int64_t> versions;

  [[nodiscard]] Cursor now() override { return {epoch_, snapshot(), {}}; }
  [[nodiscard]] Cursor retained() override { return {epoch_, pruned_, {}}; }
  [[nodiscard]] bool holds(const Receipt& receipt) override {
    return receipt.epoch == epoch_ &&
           std::ranges::find(rows_, receipt.position, &LogRow::position) != rows_.end();
  }
  [[nodiscard]] TailPage read(const TailRequest& request) override {
    interlude();
    TailPage page;
    page.upto = request.upto.value_or(now());
    if (request.from.epoch != epoch_) {
      page.status = TailStatus::history_changed;
      page.upto = now();
      return page;
    }
    if (!request.from.snapshot.contains(pruned_)) {
      page.status = TailStatus::pruned;
      page.upto = now();
      return page;
    }
    std::vector<LogRow> rows = between(request.from.snapshot, page.upto.snapshot);
    for (const LogRow& row : rows) {
      const auto behind = [](const LogRow& a, const LogRow& b) {
        return std::pair(a.position, a.id) <= std::pair(b.position, b.id);
      };
      if (request.after && behind(row, *request.after)) continue;
      if (page.rows.size() == request.limit) {
        page.more = true;
        break;
      }
      page.rows.push_back(row);
    }
    return page;
  }

  [[nodiscard]] ClaimResult claim(const std::string& name, const std::string& owner,
                                  std::chrono::milliseconds /*lease*/) override {
    interlude();
    Consumer& consumer = consumers_[name];
    if (!consumer.owner.empty() && consumer.owner != owner)
      return {ClaimStatus::held_elsewhere, {}, {}};
    const bool whole = consumer.cursor && consumer.cursor->epoch == epoch_ &&
                       consumer.cursor->snapshot.contains(pruned_);
    if (whole && between(consumer.cursor->snapshot, snapshot()).empty())
      return {ClaimStatus::nothing_new, {.from = *consumer.cursor, .upto = now()}, {}};
    consumer.owner = owner;
    consumer.token = {++tokens_};
    Claim claim{.consumer = name, .token = consumer.token};
    claim.upto = now();
    claim.flush_first = !whole;
    claim.from = whole ? *consumer.cursor : claim.upto;
    return {ClaimStatus::claimed, claim, {}};
  }
  [[nodiscard]] bool advance(const Claim& claim, const Cursor& cursor) override {
    interlude();
    before_advance();
    Consumer& consumer = consumers_[claim.consumer];
    if (consumer.token != claim.token || claim.upto.epoch != epoch_) return false;
    consumer.cursor = cursor;
    return true;
  }
  [[nodiscard]] bool renew(const Claim& claim, std::chrono::milliseconds /*lease*/) override {
    return consumers_[claim.consumer].token == claim.token;
  }
  void release(const std::string& /*consumer*/, const std::string& /*owner*/) override {}

  // Nothing becomes a delivery: all that fails here is the feed.
  [[nodiscard]] bool forgive(const Claim& /*claim*/, const std::string& /*reason*/) override {
    return true;
  }
  [[nodiscard]] bool record(const Claim& claim, const Progress& progress,
                            OnDeath /*on_death*/) override {
    if (!progress.left.empty()) throw std::logic_error("a delivery");
    return advance(claim, progress.cursor);
  }
  [[nodiscard]] Taken take_row(const Claim& /*claim*/, const SharedInvalidation& /*row*/,
                               std::chrono::milliseconds /*lifetime*/) override {
    return Taken(std::in_place);  // taken by nobody: another's
  }
  [[nodiscard]] Taken take_due(const Claim& /*claim*/, std::size_t /*limit*/) override {
    throw std::logic_error("a delivery");
  }
  [[nodiscard]] bool settle(const Claim& /*claim*/, std::span<const Settled> /*outcomes*/,
                            OnDeath /*on_death*/) override {
    throw std::logic_error("a delivery");
  }
  [[nodiscard]] bool pay_flush(const Claim& /*claim*/, Position /*position*/) override {
    throw std::logic_error("a delivery");
  }
  [[nodiscard]] std::vector<DeliveryRow> list(const DeliveryFilter& /*filter*/) override {
    return {};
  }
  [[nodiscard]] std::vector<std::uint64_t> decide(std::span<const SeenDelivery> /*seen*/,
                                                  Decision /*decision*/) override {
    return {};
  }

 private:
  struct Consumer {
    std::optional<Cursor> cursor;
    std::string owner;
    WriteId token;
  };
  void end(Position position) { ended_ = std::max(ended_, position); }
  // As PostgreSQL's: what runs above all that has ended is not in the list.
  [[nodiscard]] Snapshot snapshot() const {
    const Position limit{ended_.value + 1};
    std::vector<Position> ids;
    for (const auto& [position, write] : running_)
      if (position < limit) ids.push_back(position);
    const Position first = ids.empty() ? limit : ids.front();
    return {first, limit, ids};
  }
  [[nodiscard]] std::vector<LogRow> between(const Snapshot& from, const Snapshot& upto) const {
    std::vector<LogRow> rows;
    for (const LogRow& row : rows_)
      if (!from.covers(row.position) && upto.covers(row.position)) rows.push_back(row);
    std::ranges::sort(rows, [](const LogRow& a, const LogRow& b) {
      return std::pair(a.position, a.id) < std::pair(b.position, b.id);
    });
    return rows;
  }

  std::uint64_t next_ = 1;
  Position ended_;  // the last that has
  std::uint64_t last_row_ = 0;
  std::uint64_t tokens_ = 0;
  std::uint64_t epochs_ = 1;
  Epoch epoch_{1, 7};
  std::map<Position, Write> running_;
  std::vector<LogRow> rows_;
  Snapshot pruned_;
  std::map<std::string, Consumer> consumers_;
};

}  // namespace querymark::test

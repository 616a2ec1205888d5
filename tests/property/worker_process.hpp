#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "property/checked_log.hpp"
#include "property/random.hpp"
#include "querymark/deliver/worker.hpp"
#include "querymark/support/error.hpp"

// A worker's process in a model: the real worker, and between it and its log and tier whatever may
// happen there.

namespace querymark::test {

/// A process ends in the middle of something. No std::exception: nothing of the worker's may take it
/// for a failure.
struct Died {};

inline Error unreached() {
  return Error("the connection is lost", {.retryable = true, .connection_lost = true});
}

/// What a shared tier does not take, and how that shows.
enum class Bad : std::uint8_t {
  fails,    // while others succeed
  refused,  // likewise, for good
  kills,    // the worker that asks for it
  breaks,   // takes the tier down
};

/// A shared tier as all namespaces and workers have it before them.
struct ModelTier {
  std::string name;
  bool down = false;
  std::map<std::string, Bad> bad{};  // by the target's text

  [[nodiscard]] std::optional<Bad> bad_of(const SharedInvalidation& wanted) const {
    const auto found = bad.find(wanted.target.text());
    return wanted.target.is_flush() || found == bad.end() ? std::nullopt
                                                          : std::optional(found->second);
  }
};

struct WorkerProcess;

/// What the world does to a process on its way to somebody and back.
class Fate {
 public:
  virtual ~Fate() = default;
  /// Others come on, clocks go on, and it may end. Then whether the way is open: a log that is not
  /// reached, or whose answer is lost.
  [[nodiscard]] virtual bool passes(WorkerProcess& process) = 0;
  /// The tier has taken it.
  virtual void told(WorkerProcess& process, Epoch epoch, const SharedInvalidation& taken) = 0;
  /// How a call of the tier goes: an outage begins or this call alone fails, after so many.
  struct Trouble {
    bool outage = false, glitch = false;
    std::size_t after = 0;
  };
  [[nodiscard]] virtual Trouble trouble(std::size_t wanted) = 0;
  /// A pause as some backoff would draw it.
  [[nodiscard]] virtual std::chrono::milliseconds pause() = 0;
};

/// What one round of a worker has been through: what it says of each intent must follow from it.
struct RoundNotes {
  using Row = std::pair<std::string, Position>;
  [[nodiscard]] static Row row(const Target& target, Position position) {
    return {(target.kind() == TargetKind::key ? "key " : "tag ") + target.text(), position};
  }
  std::optional<Claim> claim;
  MonotonicTime began;                            // when it was made
  std::map<std::uint64_t, DeliveryRecord> taken;  // and not settled yet
  std::optional<SharedInvalidation> alone;        // has just failed, alone
  bool permanent = false;                         // that failure
  std::map<Row, bool> poison;                     // failed while others succeed; for good?
};

struct WorkerProcess final : LogReader, LogClaims, Deliveries, Applier {
  WorkerProcess(CheckedLog& checked, LogReader& rows, ModelTier& tier, Fate& world, Wrongs& found,
                const WorkerOptions& said)
      : log(checked),
        reader(rows),
        shared(tier),
        fate(world),
        wrongs(found),
        options(said),
        worker(std::make_unique<Worker>(WorkerLog{*this, *this, *this}, *this, said)) {}

  // --- the log, as it is reached
  [[nodiscard]] Cursor now() override {
    return over([&] { return reader.now(); });
  }
  [[nodiscard]] TailPage read(const TailRequest& request) override {
    return over([&] { return reader.read(request); });
  }
  [[nodiscard]] Cursor retained() override {
    return over([&] { return reader.retained(); });
  }
  [[nodiscard]] bool holds(const Receipt& receipt) override {
    return over([&] { return reader.holds(receipt); });
  }
  [[nodiscard]] ClaimResult claim(const std::string& consumer, const std::string& owner,
                                  std::chrono::milliseconds lease) override {
    notes = {};
    ClaimResult result = over([&] { return log.claim(consumer, owner, lease); });
    notes.began = options.clock->now();
    if (result.status == ClaimStatus::claimed) notes.claim = result.claim;
    return result;
  }
  [[nodiscard]] bool advance(const Claim& claim, const Cursor& cursor) override {
    return over([&] { return log.advance(claim, cursor); });
  }
  [[nodiscard]] bool renew(const Claim& claim, std::chrono::milliseconds lease) override {
    return over([&] { return log.renew(claim, lease); });
  }
  void release(const std::string& consumer, const std::string& owner) override {
    static_cast<void>(over([&] { return log.release(consumer, owner), true; }));
  }
  [[nodiscard]] bool record(const Claim& claim, const Progress& progress,
                            OnDeath on_death) override {
    Progress drawn = progress;
    for (LeftBehind& left : drawn.left) {
      if (!left.target) continue;
      judge_left(left);
      if (left.state == DeliveryState::pending) left.pause = fate.pause();
    }
    return over([&] { return log.record(claim, drawn, on_death); });
  }
  [[nodiscard]] Taken take_row(const Claim& claim, const SharedInvalidation& row,
                               std::chrono::milliseconds lifetime) override {
    return over([&] { return noted(log.take_row(claim, row, lifetime)); });
  }
  [[nodiscard]] Taken take_due(const Claim& claim, std::size_t limit) override {
    return over([&] { return noted(log.take_due(claim, limit)); });
  }
  [[nodiscard]] bool settle(const Claim& claim, std::span<const Settled> outcomes,
                            OnDeath on_death) override {
    std::vector<Settled> drawn(outcomes.begin(), outcomes.end());
    for (Settled& outcome : drawn) {
      judge(outcome);
      if (outcome.as == Settled::As::pending) outcome.pause = fate.pause();
    }
    notes.taken.clear();
    return over([&] { return log.settle(claim, drawn, on_death); });
  }
  [[nodiscard]] bool pay_flush(const Claim& claim, Position position) override {
    return over([&] { return log.pay_flush(claim, position); });
  }
  [[nodiscard]] bool forgive(const Claim& claim, const std::string& reason) override {
    return over([&] { return log.forgive(claim, reason); });
  }
  [[nodiscard]] std::vector<DeliveryRow> list(const DeliveryFilter& filter) override {
    return over([&] { return log.list(filter); });
  }
  [[nodiscard]] std::vector<std::uint64_t> decide(std::span<const SeenDelivery> seen,
                                                  Decision decision) override {
    return over([&] { return log.decide(seen, decision); });
  }

  // --- the tier
  [[nodiscard]] std::string name() const override { return shared.name; }
  void apply(Epoch epoch, std::span<const SharedInvalidation> wanted) override {
    static_cast<void>(fate.passes(*this));
    if (dead) throw Died();
    asked();
    for (const SharedInvalidation& each : wanted)
      for (const auto& [id, record] : notes.taken)
        if (record.target == each.target && record.position == each.position)
          wrongs.require(within_limit(record.attempts), "tried more often than may be");
    notes.alone.reset();
    if (wanted.size() == 1) notes.alone = wanted.front();
    notes.permanent = false;
    const Fate::Trouble trouble = fate.trouble(wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (shared.down) throw unreached();
      if ((trouble.outage || trouble.glitch) && i == trouble.after) break;
      take(epoch, wanted[i]);
    }
    shared.down = shared.down || trouble.outage;
    if (trouble.outage || trouble.glitch) throw unreached();
    static_cast<void>(fate.passes(*this));
    if (dead) throw Died();
    if (wanted.size() == 1) {
      breaks.erase(RoundNotes::row(wanted[0].target, wanted[0].position));
      notes.poison.erase(RoundNotes::row(wanted[0].target, wanted[0].position));
    }
    notes.alone.reset();
  }
  void control(Epoch /*epoch*/) override {
    // A process that ends here is noticed at its next step: what is asked may not throw just anything.
    static_cast<void>(fate.passes(*this));
    asked();
    const std::optional<SharedInvalidation> alone = std::exchange(notes.alone, std::nullopt);
    if (dead || shared.down) {
      failed_at = options.clock->now();
      if (alone) ++breaks[RoundNotes::row(alone->target, alone->position)];
      throw unreached();
    }
    if (alone) notes.poison[RoundNotes::row(alone->target, alone->position)] = notes.permanent;
  }

  CheckedLog& log;
  LogReader& reader;
  ModelTier& shared;
  Fate& fate;
  Wrongs& wrongs;
  WorkerOptions options;
  std::unique_ptr<Worker> worker;
  bool runs = false, dead = false;
  RoundNotes notes;
  MonotonicTime failed_at;                     // when a control operation did
  MonotonicTime open_until;                    // the breaker, at least
  std::map<RoundNotes::Row, unsigned> breaks;  // how often it was there, alone, that the tier went

 private:
  template <class Call>
  std::invoke_result_t<const Call&> over(const Call& call) {
    pass();
    auto answer = call();
    pass();
    return answer;
  }
  void pass() {
    const bool open = fate.passes(*this);
    if (dead) throw Died();
    if (!open) throw unreached();
  }
  void take(Epoch epoch, const SharedInvalidation& wanted) {
    if (const auto bad = shared.bad_of(wanted)) {
      notes.permanent = *bad == Bad::refused;
      dead = *bad == Bad::kills;
      shared.down = *bad == Bad::breaks;
      if (dead) throw Died();
      if (notes.permanent) throw Error("no such thing");
      throw unreached();
    }
    fate.told(*this, epoch, wanted);
  }
  void asked() const {
    wrongs.require(options.clock->now() >= open_until, "asked while its breaker is open");
  }
  Taken noted(Taken taken) {
    if (taken)
      for (const auto& each : *taken) notes.taken[each.record().id] = each.record();
    return taken;
  }
  [[nodiscard]] bool within_limit(unsigned attempts) const {
    return options.retry.max_attempts == 0 || attempts <= options.retry.max_attempts;
  }
  [[nodiscard]] WallTime database_now() const {
    return notes.claim->now + std::chrono::duration_cast<std::chrono::milliseconds>(
                                  options.clock->now() - notes.began);
  }
  // What may become of an attempt: retriable unless refused for good, while attempts and time last.
  void judge_failure(DeliveryState as, unsigned attempts, WallTime deadline, bool permanent) {
    const unsigned most = options.retry.max_attempts;
    const WallTime next =
        database_now() + std::chrono::milliseconds(1) + options.retry.deadline_margin;
    const bool exhausted = most != 0 && attempts >= most;
    const DeliveryState right = permanent || exhausted ? DeliveryState::dead
                                : next > deadline      ? DeliveryState::expired
                                                       : DeliveryState::pending;
    wrongs.require(as == right, "what becomes of a failed attempt");
  }
  void judge_left(const LeftBehind& left) {
    const auto found = notes.poison.find(RoundNotes::row(*left.target, left.position));
    wrongs.require(found != notes.poison.end(), "left behind, though nothing speaks against it");
    if (found != notes.poison.end())
      judge_failure(left.state, 1, database_now() + options.largest_ttl, found->second);
  }
  void judge(const Settled& outcome) {
    const auto at = notes.taken.find(outcome.id);
    wrongs.require(at != notes.taken.end(), "settled, though not taken");
    if (at == notes.taken.end() || outcome.as == Settled::As::applied ||
        outcome.as == Settled::As::unclaimed)
      return;
    const DeliveryRecord& record = at->second;
    if (!within_limit(record.attempts))
      return wrongs.require(outcome.as == Settled::As::dead, "no attempts are left");
    if (database_now() > record.deadline && outcome.as == Settled::As::expired) return;
    const auto row = RoundNotes::row(*record.target, record.position);
    const auto poison = notes.poison.find(row);
    if (poison == notes.poison.end())
      wrongs.require(std::exchange(breaks[row], 0) >= 3, "an outage has used up an attempt");
    judge_failure(outcome.as == Settled::As::pending ? DeliveryState::pending
                  : outcome.as == Settled::As::dead  ? DeliveryState::dead
                                                     : DeliveryState::expired,
                  record.attempts, record.deadline, poison != notes.poison.end() && poison->second);
  }
};

}  // namespace querymark::test

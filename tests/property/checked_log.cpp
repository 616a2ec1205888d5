#include "property/checked_log.hpp"

namespace querymark::test {
namespace {

using std::chrono::milliseconds;

bool same(const DeliveryRow& a, const DeliveryRow& b) {
  return a.state == b.state && a.consumer == b.consumer && a.record.target == b.record.target &&
         a.record.epoch == b.record.epoch && a.record.first_position == b.record.first_position &&
         a.record.position == b.record.position && a.record.attempts == b.record.attempts &&
         a.record.available_at == b.record.available_at && a.record.deadline == b.record.deadline &&
         a.record.last_error == b.record.last_error;
}

bool same_place(const DeliveryRow& a, const DeliveryRow& b) {
  return a.consumer == b.consumer && a.record.target == b.record.target &&
         a.record.epoch == b.record.epoch && a.record.position == b.record.position;
}

bool same_beginning(const DeliveryRow& a, const DeliveryRow& b) {
  return a.record.first_position == b.record.first_position;
}

}  // namespace

std::size_t CheckedLog::compare(const ConsumersLook& before, const Allowed& allowed,
                                std::string_view what, const Widened& widened) {
  std::size_t changes = 0;
  const auto changed = [&](const DeliveryRow* from, const DeliveryRow* to) {
    if (from != nullptr && to != nullptr) {
      require(same_place(*from, *to), what);
      require(same_beginning(*from, *to) || widened(*from, *to), what);
      DeliveryRow begun = *from;
      begun.record.first_position = to->record.first_position;
      if (same(begun, *to)) return;
    }
    ++changes;
    require(allowed(from, to), what);
  };
  for (const auto& [id, from] : before.deliveries) {
    const auto to = seen_.deliveries.find(id);
    if (to == seen_.deliveries.end())
      changed(&from, nullptr);
    else if (!same(from, to->second))
      changed(&from, &to->second);
  }
  for (const auto& [id, to] : seen_.deliveries)
    if (!before.deliveries.contains(id)) changed(nullptr, &to);
  check_waits();
  return changes;
}

bool CheckedLog::widens(const DeliveryRow& from, const DeliveryRow& to, const Claim& claim,
                        const std::optional<Target>& target, Position first, Position last) {
  return from.consumer == claim.consumer && from.record.epoch == claim.upto.epoch &&
         from.record.target == target && from.record.position == last &&
         to.record.first_position == first && first < from.record.first_position;
}

bool CheckedLog::same_consumers(const ConsumersLook& before, const std::string& but) const {
  for (const auto& [name, row] : seen_.consumers) {
    if (name == but) continue;
    const ConsumerCoverage* const then = consumer_of(before, name);
    if (then == nullptr ? row.cursor || row.flush_owed
                        : then->cursor != row.cursor || then->flush_owed != row.flush_owed)
      return false;
  }
  return seen_.consumers.size() >= before.consumers.size();
}

bool CheckedLog::waits(const ConsumersLook& in, const std::string& consumer) {
  return std::ranges::any_of(in.deliveries, [&](const auto& each) {
    const DeliveryRow& row = each.second;
    return row.consumer == consumer &&
           (row.state == DeliveryState::pending || row.state == DeliveryState::claimed);
  });
}

void CheckedLog::check_idle(const std::string& consumer, const ConsumerCoverage& row,
                            const ClaimResult& result) {
  require(row.cursor && row.cursor->epoch == seen_.epoch, "nothing new for who has yet to start");
  require(!row.flush_owed, "nothing new, though a flush is owed");
  require(result.claim.from.snapshot == result.claim.upto.snapshot, "nothing between two ends");
  require(result.next_due.has_value() == waits(seen_, consumer), "when the next one is due");
  for (const CommittedIntent& each : intents_.all())
    require(row.cursor->snapshot.covers(each.position), "nothing new, though a row is");
  const WallTime now = clock_.wall_now();
  for (const auto& [id, each] : seen_.deliveries)
    if (each.consumer == consumer && each.state == DeliveryState::pending)
      require(each.record.available_at + milliseconds(2) >= now, "nothing new, though one is due");
}

void CheckedLog::guarded(const Claim& claim, bool done) {
  const Holder& holder = holders_[claim.consumer];
  const bool holds = holder.token != WriteId{} && holder.token == claim.token;
  require(!done || holds, "who has been fenced changes something");
  require(done || !holds || claim.upto.epoch != seen_.epoch, "who holds the claim is fenced");
  fenced += done ? 0 : 1;
}

void CheckedLog::moved(const ConsumersLook& before, const Claim& claim, const Cursor& cursor,
                       bool done) {
  guarded(claim, done);
  require(same_consumers(before, done ? claim.consumer : ""), "another consumer moves");
  if (!done) return;
  holders_[claim.consumer].attempts = 0;
  const ConsumerCoverage& then = *consumer_of(before, claim.consumer);
  const ConsumerCoverage& now = *consumer_of(seen_, claim.consumer);
  require(
      now.cursor && now.cursor->epoch == cursor.epoch && now.cursor->snapshot == cursor.snapshot,
      "the cursor is where it was moved to");
  require(claim.upto.snapshot.contains(cursor.snapshot), "the cursor leaves its segment");
  if (!then.cursor || then.cursor->epoch != cursor.epoch) return;
  require(cursor.snapshot.contains(then.cursor->snapshot), "the cursor goes back");
  require(then.flush_owed.value_or(Position{}) <= now.flush_owed.value_or(Position{}),
          "what is owed is forgotten");
}

bool CheckedLog::is_left(const DeliveryRow& row, const Claim& claim, const Progress& progress) {
  return row.record.epoch == claim.upto.epoch &&
         row.record.attempts == (row.record.target ? 1U : 0U) &&
         std::ranges::any_of(progress.left, [&](const LeftBehind& each) {
           return each.state == row.state && each.target == row.record.target &&
                  each.position == row.record.position &&
                  each.first_position == row.record.first_position;
         });
}

bool CheckedLog::is_superseded(const DeliveryRow& from, const DeliveryRow& to) {
  const bool open = from.state == DeliveryState::pending || from.state == DeliveryState::claimed;
  if (!open || to.state != DeliveryState::superseded) return false;
  ++superseded;
  if (to.record.epoch == seen_.epoch)
    require(intents_.told(index_of(to.consumer), to.record),
            "superseded, though the target was not told");
  return to.record.attempts == from.record.attempts;
}

bool CheckedLog::is_settled(const DeliveryRow& from, const DeliveryRow* to, const Settled& outcome,
                            OnDeath on_death) {
  if (outcome.as == Settled::As::applied) {
    if (from.record.epoch == seen_.epoch)
      require(intents_.told(index_of(from.consumer), from.record),
              "gone as applied, though the target was not told");
    return to == nullptr;
  }
  if (to == nullptr) return false;
  const unsigned attempts = from.record.attempts;
  switch (outcome.as) {
    case Settled::As::pending:
      return to->state == DeliveryState::pending && to->record.attempts == attempts;
    case Settled::As::unclaimed:
      return to->state == DeliveryState::pending && to->record.attempts == attempts - 1;
    case Settled::As::dead:
    case Settled::As::expired:
      if (on_death == OnDeath::flush) owes(from.consumer, from.record.position);
      return to->state ==
             (outcome.as == Settled::As::dead ? DeliveryState::dead : DeliveryState::expired);
    case Settled::As::applied:
      break;
  }
  return false;
}

void CheckedLog::took_away(milliseconds keep) {
  const WallTime since = clock_.wall_now() - keep;
  // Waits forget what an operator has given up, from now on.
  ConsumersLook now = look();
  for (const auto& [id, row] : seen_.deliveries)
    if (!now.deliveries.contains(id) && row.state != DeliveryState::superseded &&
        row.record.epoch == now.epoch)
      intents_.give_up(index_of(row.consumer), row.record);
  const ConsumersLook before = std::exchange(seen_, std::move(now));
  compare(
      before,
      [&](const DeliveryRow* from, const DeliveryRow* to) {
        return from != nullptr && to == nullptr && from->changed_at <= since + milliseconds(2) &&
               (from->state == DeliveryState::superseded ||
                from->state == DeliveryState::cancelled || from->state == DeliveryState::discarded);
      },
      "removing old deliveries");
  require(same_consumers(before, {}), "removing old deliveries moves a consumer");
}

void CheckedLog::check_waits() {
  for (std::size_t at = 0; at < targets_.size(); ++at) {
    const ConsumerCoverage* const row = consumer_of(seen_, targets_[at]);
    if (row == nullptr) continue;
    for (const CommittedIntent& each : intents_.all())
      if (CommittedIntents::is_missing(each, at))
        require(covered(*row, seen_.epoch, each.position) != Covered::yes,
                "a wait is satisfied, though the target was not told");
  }
}

}  // namespace querymark::test

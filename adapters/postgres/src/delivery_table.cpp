#include "delivery_table.hpp"

#include <algorithm>

#include "log_connection.hpp"
#include "postgres_sql.hpp"
#include "querymark/log/delivery_rows.hpp"
#include "querymark/postgres/types.hpp"
#include "snapshot_text.hpp"
#include "untranslatable.hpp"

namespace querymark::postgres {
namespace {

using Text = std::optional<std::string>;

Text kind_of(const std::optional<Target>& target) {
  return target ? Text(to_string(target->kind())) : std::nullopt;
}
Text text_of(const std::optional<Target>& target) {
  return target ? Text(target->text()) : std::nullopt;
}
Text text_of(Position position) { return std::to_string(position.value); }

// One row without a delivery says that nothing was claimed by who holds the claim.
Deliveries::Taken taken_of(const ResultSet& set) {
  if (set.empty() || set.row(0)["holders"].as<std::int64_t>() == 0) return std::nullopt;
  return claimed_deliveries(set);
}

std::string_view to_text(Settled::As as) {
  switch (as) {
    case Settled::As::applied:
      return "applied";
    case Settled::As::pending:
      return "pending";
    case Settled::As::unclaimed:
      return "unclaimed";
    case Settled::As::dead:
      return "dead";
    case Settled::As::expired:
      break;
  }
  return "expired";
}

std::vector<Text> told_in(Letters letters, std::vector<Text> errors) {
  if (letters == Letters::ascii)
    for (Text& error : errors)
      if (error) error = spelt(*error, Letters::ascii, kLongestError);
  return errors;
}

bool holds(const ResultSet& counted) { return counted.row(0)["holders"].as<std::int64_t>() == 1; }

}  // namespace

bool DeliveryTable::record(const Claim& claim, const Progress& progress, OnDeath on_death) {
  std::vector<Text> left_kinds, left_targets, firsts, lasts, states, errors;
  std::vector<std::int64_t> pauses;
  std::optional<Position> owed;
  for (const LeftBehind& left : progress.left) {
    left_kinds.push_back(kind_of(left.target));
    left_targets.push_back(text_of(left.target));
    firsts.push_back(text_of(left.first_position));
    lasts.push_back(text_of(left.position));
    states.emplace_back(to_string(left.state));
    pauses.push_back(left.pause.count());
    errors.emplace_back(left.error);
    if (left.target && left.state != DeliveryState::pending && on_death == OnDeath::flush)
      owed = std::max(owed.value_or(left.position), left.position);
  }
  std::vector<Text> kinds, targets, positions;
  std::optional<Position> flush;
  for (const SharedInvalidation& applied : progress.applied) {
    if (applied.target.is_flush()) {
      flush = std::max(flush.value_or(applied.position), applied.position);
      continue;
    }
    kinds.push_back(kind_of(applied.target));
    targets.push_back(text_of(applied.target));
    positions.push_back(text_of(applied.position));
  }
  const Text owed_text = owed ? text_of(*owed) : std::nullopt;
  const Text flush_text = flush ? text_of(*flush) : std::nullopt;
  const std::string epoch = progress.cursor.epoch.hex();
  const std::string cursor = snapshot_text(progress.cursor.snapshot);
  const MutexLock lock(log_->mutex());
  return storing_for_people([&](Letters letters) QUERYMARK_REQUIRES(log_->mutex()) {
    const std::vector<Text> told = told_in(letters, errors);
    return holds(log_->query(
        sql::deliveries_record,
        {as_parameter(log_->namespace_name()), as_parameter(claim.consumer),
         as_parameter(stored(claim.token)), as_parameter(epoch), as_parameter(cursor),
         as_parameter(left_kinds), as_parameter(left_targets), as_parameter(firsts),
         as_parameter(lasts), as_parameter(states), as_parameter(pauses), as_parameter(told),
         as_parameter(progress.lifetime.count()), as_parameter(owed_text), as_parameter(kinds),
         as_parameter(targets), as_parameter(positions), as_parameter(flush_text)}));
  });
}

Deliveries::Taken DeliveryTable::take_row(const Claim& claim, const SharedInvalidation& row,
                                          std::chrono::milliseconds lifetime) {
  const std::string epoch = claim.upto.epoch.hex();
  const std::string_view kind = to_string(row.target.kind());
  const std::string first = std::to_string(row.first_position.value);
  const std::string last = std::to_string(row.position.value);
  const MutexLock lock(log_->mutex());
  return taken_of(
      log_->query(sql::delivery_take_row,
                  {as_parameter(log_->namespace_name()), as_parameter(claim.consumer),
                   as_parameter(stored(claim.token)), as_parameter(epoch), as_parameter(kind),
                   as_parameter(row.target.text()), as_parameter(first), as_parameter(last),
                   as_parameter(lifetime.count())}));
}

Deliveries::Taken DeliveryTable::take_due(const Claim& claim, std::size_t limit) {
  const std::string epoch = claim.upto.epoch.hex();
  const MutexLock lock(log_->mutex());
  return taken_of(
      log_->query(sql::deliveries_take_due,
                  {as_parameter(log_->namespace_name()), as_parameter(claim.consumer),
                   as_parameter(stored(claim.token)), as_parameter(epoch), as_parameter(limit)}));
}

bool DeliveryTable::settle(const Claim& claim, std::span<const Settled> outcomes,
                           OnDeath on_death) {
  std::vector<std::int64_t> ids, pauses;
  std::vector<Text> became, errors;
  for (const Settled& outcome : outcomes) {
    ids.push_back(static_cast<std::int64_t>(outcome.id));
    became.emplace_back(to_text(outcome.as));
    pauses.push_back(outcome.pause.count());
    errors.push_back(outcome.error.empty() ? std::nullopt : Text(outcome.error));
  }
  const MutexLock lock(log_->mutex());
  return storing_for_people([&](Letters letters) QUERYMARK_REQUIRES(log_->mutex()) {
    const std::vector<Text> told = told_in(letters, errors);
    return holds(log_->query(
        sql::deliveries_settle,
        {as_parameter(log_->namespace_name()), as_parameter(claim.consumer),
         as_parameter(stored(claim.token)), as_parameter(ids), as_parameter(became),
         as_parameter(pauses), as_parameter(told), as_parameter(on_death == OnDeath::flush)}));
  });
}

bool DeliveryTable::pay_flush(const Claim& claim, Position position) {
  const Text owed = claim.flush_owed ? text_of(*claim.flush_owed) : std::nullopt;
  const std::string applied = std::to_string(position.value);
  const MutexLock lock(log_->mutex());
  return holds(
      log_->query(sql::deliveries_pay_flush,
                  {as_parameter(log_->namespace_name()), as_parameter(claim.consumer),
                   as_parameter(stored(claim.token)), as_parameter(owed), as_parameter(applied)}));
}

bool DeliveryTable::forgive(const Claim& claim, const std::string& reason) {
  const MutexLock lock(log_->mutex());
  return storing_for_people([&](Letters letters) QUERYMARK_REQUIRES(log_->mutex()) {
    const std::string told =
        letters == Letters::ascii ? spelt(reason, Letters::ascii, kLongestError) : reason;
    return log_->execute(sql::deliveries_forgive,
                         {as_parameter(log_->namespace_name()), as_parameter(claim.consumer),
                          as_parameter(stored(claim.token)), as_parameter(told)}) == 1;
  });
}

std::vector<DeliveryRow> DeliveryTable::list(const DeliveryFilter& filter) {
  std::vector<Text> states;
  for (const DeliveryState state : states_of(filter)) states.emplace_back(to_string(state));
  const auto after = static_cast<std::int64_t>(filter.after);
  const MutexLock lock(log_->mutex());
  const ResultSet set = log_->query_for_people(
      sql::deliveries_list,
      {as_parameter(log_->namespace_name()), as_parameter(states), as_parameter(after),
       as_parameter(filter.consumer), as_parameter(filter.error), as_parameter(filter.limit)});
  return delivery_rows(set);
}

std::vector<std::uint64_t> DeliveryTable::decide(std::span<const SeenDelivery> seen,
                                                 Decision decision) {
  std::vector<std::int64_t> ids;
  std::vector<Text> states;
  std::optional<DeliveryState> to;
  for (const SeenDelivery& each : seen) {
    const auto leads_to = decided(each.state, decision);
    if (!leads_to) continue;
    to = leads_to;  // the same from wherever the decision may be made
    ids.push_back(static_cast<std::int64_t>(each.id));
    states.emplace_back(to_string(each.state));
  }
  std::vector<std::uint64_t> moved;
  if (!to) return moved;
  const MutexLock lock(log_->mutex());
  for (const Row row :
       log_->query(sql::deliveries_decide, {as_parameter(log_->namespace_name()), as_parameter(ids),
                                            as_parameter(states), as_parameter(to_string(*to))}))
    moved.push_back(row["id"].as<std::uint64_t>());
  if (decision != Decision::retry || moved.empty()) return moved;
  try {
    static_cast<void>(log_->query(sql::ring, {as_parameter(log_->namespace_name())}));
  } catch (const Error&) {  // a hint: the worker's next look finds what is due
  }
  return moved;
}

}  // namespace querymark::postgres

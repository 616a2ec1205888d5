#include "delivery_table.hpp"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "log_file.hpp"
#include "querymark/log/delivery_rows.hpp"
#include "querymark/support/bytes.hpp"
#include "sqlite_sql.hpp"

namespace querymark::sqlite {
namespace {

// One change of a consumer that this claim still holds: a write transaction that begins with that
// look. Nothing is left of it unless it is committed. It holds the file's mutex for as long as it lives, which the
// analysis does not follow.
class Held {
 public:
  Held(LogFile& file, const Claim& claim) QUERYMARK_UNCHECKED
      : lock_(file.mutex()),
        file_(file),
        claim_(claim),
        transaction_(file.connection(), ScopedTransaction::Kind::write),
        holds_(look()) {}

  [[nodiscard]] bool holds() const noexcept { return holds_; }
  [[nodiscard]] ParameterView name() const { return as_parameter(file_.namespace_name()); }
  [[nodiscard]] ParameterView consumer() const { return as_parameter(claim_.consumer); }
  [[nodiscard]] ParameterView token() const { return as_parameter(stored(claim_.token)); }
  std::int64_t run(SqlStatement statement,
                   std::initializer_list<ParameterView> values) QUERYMARK_UNCHECKED {
    return file_.execute(statement, values);
  }
  ResultSet ask(SqlStatement statement,
                std::initializer_list<ParameterView> values) QUERYMARK_UNCHECKED {
    return file_.query(statement, values);
  }
  void owe_flush(Position position) {
    run(sql::consumer_owe_flush,
        {name(), consumer(), as_parameter(stored(position)), ParameterView()});
  }
  void owe_flush_for(std::int64_t delivery) {
    run(sql::consumer_owe_flush, {name(), consumer(), ParameterView(), as_parameter(delivery)});
  }
  void commit() { transaction_.commit(); }

 private:
  [[nodiscard]] bool look() {
    const ResultSet counted = ask(sql::consumer_holds, {name(), consumer(), token()});
    return counted.row(0)["holders"].as<std::int64_t>() == 1;
  }

  std::unique_lock<std::mutex> lock_;
  LogFile& file_;
  const Claim& claim_;
  ScopedTransaction transaction_;
  bool holds_;
};

// What a page has applied, by target. Targets are equal by their texts: entities, collections and
// tags of one text are one target.
struct Applied {
  explicit Applied(std::span<const SharedInvalidation> applied) {
    hex_texts = "[";
    for (const SharedInvalidation& each : applied) {
      std::int64_t& last = each.target.is_flush()
                               ? flushed
                               : positions[{each.target.kind() == TargetKind::key,
                                            std::string_view(each.target.text())}];
      last = std::max(last, stored(each.position));
      if (each.target.is_flush()) continue;
      hex_texts += hex_texts.size() > 1 ? ",\"" : "\"";
      hex_texts += to_hex(each.target.text()) + '"';
    }
    hex_texts += ']';
  }
  // Whether it does a delivery's work: for the same target, no earlier.
  [[nodiscard]] bool supersede(const Row& row) const {
    const auto found = positions.find({row["is_key"].as<bool>(), row["target"].view()});
    return found != positions.end() && row["position"].as<std::int64_t>() <= found->second;
  }

  std::map<std::pair<bool, std::string_view>, std::int64_t> positions;
  std::string hex_texts;  // a JSON list
  std::int64_t flushed = 0;
};

}  // namespace

bool DeliveryTable::record(const Claim& claim, const Progress& progress, OnDeath on_death) {
  Held held(*file_, claim);
  if (!held.holds()) return false;
  const std::string epoch = progress.cursor.epoch.hex();
  held.run(sql::consumer_forget_flush, {held.name(), held.consumer(), as_parameter(epoch)});
  held.run(sql::consumer_advance,
           {held.name(), held.consumer(), held.token(), as_parameter(epoch),
            as_parameter(last_id(progress.cursor)), witness_of(progress.cursor)});
  const Applied applied(progress.applied);
  for (const Row row : held.ask(sql::deliveries_equal,
                                {held.name(), held.consumer(), as_parameter(applied.hex_texts)})) {
    const auto id = row["id"].as<std::int64_t>();
    if (applied.supersede(row)) held.run(sql::delivery_supersede, {as_parameter(id)});
  }
  held.run(sql::deliveries_supersede_all,
           {held.name(), held.consumer(), as_parameter(epoch), as_parameter(applied.flushed)});
  for (const LeftBehind& left : progress.left) {
    held.run(sql::delivery_leave,
             {held.name(), held.consumer(), as_parameter(epoch),
              left.target ? as_parameter(to_string(left.target->kind())) : ParameterView(),
              left.target ? as_parameter(left.target->text()) : ParameterView(),
              as_parameter(stored(left.first_position)), as_parameter(stored(left.position)),
              as_parameter(to_string(left.state)), as_parameter(left.pause.count()),
              as_parameter(progress.lifetime.count()), as_parameter(left.error)});
    if (left.target && left.state != DeliveryState::pending && on_death == OnDeath::flush)
      held.owe_flush(left.position);
  }
  held.commit();
  return true;
}

Deliveries::Taken DeliveryTable::take_row(const Claim& claim, const SharedInvalidation& row,
                                          std::chrono::milliseconds lifetime) {
  Held held(*file_, claim);
  if (!held.holds()) return std::nullopt;
  const std::string epoch = claim.upto.epoch.hex();
  const std::string_view kind = to_string(row.target.kind());
  held.run(sql::delivery_widen,
           {held.name(), held.consumer(), as_parameter(epoch), as_parameter(kind),
            as_parameter(row.target.text()), as_parameter(stored(row.first_position)),
            as_parameter(stored(row.position))});
  std::vector<Delivery<delivery::Claimed>> taken;
  if (held.run(sql::delivery_take_row,
               {held.name(), held.consumer(), held.token(), as_parameter(epoch), as_parameter(kind),
                as_parameter(row.target.text()), as_parameter(stored(row.first_position)),
                as_parameter(stored(row.position)), as_parameter(lifetime.count())}) == 1)
    taken = claimed_deliveries(held.ask(
        sql::delivery_taken,
        {held.name(), held.consumer(), held.token(), as_parameter(epoch),
         as_parameter(stored(row.position)), as_parameter(kind), as_parameter(row.target.text())}));
  held.commit();
  return taken;
}

Deliveries::Taken DeliveryTable::take_due(const Claim& claim, std::size_t limit) {
  Held held(*file_, claim);
  if (!held.holds()) return std::nullopt;
  const std::string epoch = claim.upto.epoch.hex();
  auto taken =
      claimed_deliveries(held.ask(sql::deliveries_due, {held.name(), held.consumer(),
                                                        as_parameter(epoch), as_parameter(limit)}));
  for (const auto& each : taken) {
    const auto id = static_cast<std::int64_t>(each.record().id);
    held.run(sql::delivery_take, {as_parameter(id), held.token()});
  }
  held.commit();
  return taken;
}

bool DeliveryTable::settle(const Claim& claim, std::span<const Settled> outcomes,
                           OnDeath on_death) {
  Held held(*file_, claim);
  if (!held.holds()) return false;
  for (const Settled& outcome : outcomes) {
    const auto id = static_cast<std::int64_t>(outcome.id);
    if (outcome.as == Settled::As::applied) {
      held.run(sql::delivery_applied, {as_parameter(id), held.token()});
      continue;
    }
    const bool died = outcome.as == Settled::As::dead || outcome.as == Settled::As::expired;
    const DeliveryState state = outcome.as == Settled::As::dead      ? DeliveryState::dead
                                : outcome.as == Settled::As::expired ? DeliveryState::expired
                                                                     : DeliveryState::pending;
    const int given_back = outcome.as == Settled::As::unclaimed ? 1 : 0;
    const bool moved =
        held.run(sql::delivery_settle,
                 {as_parameter(id), held.token(), as_parameter(to_string(state)),
                  as_parameter(outcome.pause.count()),
                  outcome.error.empty() ? ParameterView() : as_parameter(outcome.error),
                  as_parameter(given_back)}) == 1;
    if (died && on_death == OnDeath::flush && moved) held.owe_flush_for(id);
  }
  held.commit();
  return true;
}

bool DeliveryTable::pay_flush(const Claim& claim, Position position) {
  Held held(*file_, claim);
  if (!held.holds()) return false;
  const std::string epoch = claim.upto.epoch.hex();
  held.run(sql::consumer_pay_flush, {held.name(), held.consumer(), held.token(),
                                     as_parameter(stored(claim.flush_owed.value_or(Position{})))});
  held.run(sql::deliveries_supersede_all,
           {held.name(), held.consumer(), as_parameter(epoch), as_parameter(stored(position))});
  held.commit();
  return true;
}

bool DeliveryTable::forgive(const Claim& claim, const std::string& reason) {
  Held held(*file_, claim);
  if (!held.holds()) return false;
  held.run(sql::consumer_forgive,
           {held.name(), held.consumer(), held.token(), as_parameter(reason)});
  held.commit();
  return true;
}

std::vector<DeliveryRow> DeliveryTable::list(const DeliveryFilter& filter) {
  std::string states;
  for (const DeliveryState state : states_of(filter))
    states += (states.empty() ? "[\"" : ",\"") + std::string(to_string(state)) + '"';
  states += ']';
  const auto after = static_cast<std::int64_t>(filter.after);
  const MutexLock lock(file_->mutex());
  const ResultSet set = file_->query(
      sql::deliveries_list,
      {as_parameter(file_->namespace_name()), as_parameter(states), as_parameter(after),
       as_parameter(filter.consumer), as_parameter(filter.error), as_parameter(filter.limit)});
  return delivery_rows(set);
}

std::vector<std::uint64_t> DeliveryTable::decide(std::span<const SeenDelivery> seen,
                                                 Decision decision) {
  std::vector<std::uint64_t> moved;
  const MutexLock lock(file_->mutex());
  ScopedTransaction transaction(file_->connection(), ScopedTransaction::Kind::write);
  for (const SeenDelivery& each : seen) {
    const auto to = decided(each.state, decision);
    const auto id = static_cast<std::int64_t>(each.id);
    if (to &&
        file_->execute(sql::deliveries_decide,
                       {as_parameter(file_->namespace_name()), as_parameter(id),
                        as_parameter(to_string(each.state)), as_parameter(to_string(*to))}) == 1)
      moved.push_back(each.id);
  }
  transaction.commit();
  return moved;
}

}  // namespace querymark::sqlite

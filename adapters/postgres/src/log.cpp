#include "querymark/postgres/log.hpp"
#include "querymark/log/fields.hpp"

#include "claims.hpp"
#include "delivery_table.hpp"
#include "inspection.hpp"
#include "log_connection.hpp"
#include "log_table.hpp"
#include "postgres_sql.hpp"
#include "querymark/log/coverage_rows.hpp"
#include "querymark/log/log_rows.hpp"
#include "querymark/postgres/types.hpp"
#include "querymark/support/error.hpp"
#include "subscriber_table.hpp"

namespace querymark::postgres {

Log::Log(std::string url, std::string namespace_name, LogOptions options)
    : log_(std::make_shared<LogConnection>(std::move(url), std::move(namespace_name),
                                           std::move(options))) {}

Log::~Log() = default;

std::vector<std::string> Log::namespaces() {
  const MutexLock lock(log_->mutex());
  std::vector<std::string> names;
  for (const Row row : log_->query_for_people(sql::namespaces))
    names.push_back(row["namespace"].as<std::string>());
  return names;
}

std::vector<std::string> Log::reasons_at(Position position) {
  const std::string at = std::to_string(position.value);
  const MutexLock lock(log_->mutex());
  std::vector<std::string> reasons;
  for (const Row row : log_->query_for_people(
           sql::reasons_at, {as_parameter(log_->namespace_name()), as_parameter(at)}))
    reasons.push_back(row["reason"].as<std::string>());
  return reasons;
}

std::unique_ptr<LogClaims> Log::claims() const { return std::make_unique<Claims>(log_); }

std::unique_ptr<Inspector> Log::inspector() const { return std::make_unique<Inspection>(log_); }

std::unique_ptr<Deliveries> Log::deliveries() const {
  return std::make_unique<DeliveryTable>(log_);
}

std::unique_ptr<Subscribers> Log::subscribers() const {
  return std::make_unique<SubscriberTable>(log_);
}

std::unique_ptr<Pruning> Log::pruning() const { return std::make_unique<LogTable>(log_); }

void Log::connect_no_more() noexcept { log_->connect_no_more(); }

int Log::backend_pid() const {
  const MutexLock lock(log_->mutex());
  return log_->backend_pid();
}

LogIdentity Log::identity() {
  const MutexLock lock(log_->mutex());
  const LogState state = log_->state();
  return {state.database_id, state.epoch};
}

Cursor Log::now() {
  const MutexLock lock(log_->mutex());
  return log_->state().cursor();
}

Cursor Log::retained() {
  const MutexLock lock(log_->mutex());
  const LogState state = log_->state();
  return {state.epoch, state.pruned, {}};
}

bool Log::holds(const Receipt& receipt) {
  const MutexLock lock(log_->mutex());
  const std::string position = std::to_string(receipt.position.value);
  const ResultSet found = log_->query(
      sql::confirm_write, {as_parameter(position), as_parameter(stored(receipt.write))});
  require_meta(found);
  return epoch_of(found.row(0)["epoch"]) == receipt.epoch && found.row(0)["logged"].as<bool>();
}

LogCoverage Log::coverage(Position first, Position last) {
  const MutexLock lock(log_->mutex());
  const std::string low = std::to_string(first.value);
  const std::string high = std::to_string(last.value);
  const auto look = [&]() QUERYMARK_REQUIRES(log_->mutex()) {
    return log_->query(sql::coverage, {as_parameter(log_->namespace_name()), as_parameter(low),
                                       as_parameter(high), as_parameter(kMaxGaps)});
  };
  ResultSet found = look();
  require_meta(found);
  LogState state = state_of(found.row(0));
  if (!log_->proves(state)) {
    static_cast<void>(log_->state());  // adopts what is there
    found = look();
    require_meta(found);
    state = state_of(found.row(0));
    if (!log_->proves(state))
      throw Error("the epoch changes faster than it can be read; try again", {.retryable = true});
  }
  return {.end = state.cursor(), .consumers = coverage_rows(found, snapshot_of)};
}

bool Log::verify(const SharedStamp& stamp) {
  const MutexLock lock(log_->mutex());
  return log_->state(Cursor{stamp.epoch, Snapshot(stamp.horizon, stamp.horizon, {}), {}}).epoch ==
         stamp.epoch;
}

TailPage Log::read(const TailRequest& request) {
  const MutexLock lock(log_->mutex());
  const bool newest = !request.upto && !request.after;
  if (newest && !request.rung && !request.beat && log_->unchanged(request.from))
    return {.upto = request.from, .floor = log_->floor()};
  auto found =
      log_->page(request.from, request.upto, request.after, request.limit + 1, request.beat);
  TailPage page;
  page.floor = found.state.pruned.limit();
  const Cursor& known = request.upto.value_or(request.from);
  const auto stands = [&]() QUERYMARK_REQUIRES(log_->mutex()) {
    return log_->proves(found.state) && found.state.epoch == request.from.epoch &&
           !rewound(request.from, found.state) && !rewound(known, found.state);
  };
  if (!stands()) {
    const LogState now = log_->state(known);
    if (now.epoch != request.from.epoch) {
      log_->tell_history_changed();
      page.status = TailStatus::history_changed;
      // Taken after the old connections were told to go.
      page.upto = log_->state().cursor();
      return page;
    }
    // The same history on another backend: what was read before the proof does not count.
    found = log_->page(request.from, request.upto, request.after, request.limit + 1, request.beat);
    if (!stands())
      throw Error(
          "the log's server changes faster than it can be read; give the subscriber a direct "
          "connection (direct_url)",
          {.retryable = true, .connection_lost = true});
    page.floor = found.state.pruned.limit();
  }
  if (!found.state.whole(request.from)) {
    page.status = TailStatus::pruned;
    page.upto = found.state.cursor();
    return page;
  }
  if (newest) log_->remember(request.from, found.state);
  page.beaten = found.beaten;
  page.upto = request.upto.value_or(found.state.cursor());
  page.more = cut_page(found.rows, request.limit);
  page.rows = std::move(found.rows);
  return page;
}

}  // namespace querymark::postgres

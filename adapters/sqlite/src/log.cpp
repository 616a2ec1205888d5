#include "querymark/sqlite/log.hpp"

#include <algorithm>
#include <limits>

#include "claims.hpp"
#include "delivery_table.hpp"
#include "inspection.hpp"
#include "log_file.hpp"
#include "log_table.hpp"
#include "querymark/log/coverage_rows.hpp"
#include "querymark/log/log_rows.hpp"
#include "sqlite_sql.hpp"
#include "subscriber_table.hpp"

namespace querymark::sqlite {
namespace {

// A position from elsewhere, of a receipt or a shared value, may be none that SQLite has numbers for.
// Nothing stands at the last one either.
constexpr std::uint64_t kLastId = std::numeric_limits<std::int64_t>::max();

ParameterView id_at(Position position) { return as_parameter(std::min(position.value, kLastId)); }

}  // namespace

Log::Log(const std::string& path, std::string namespace_name, LogOptions options)
    : file_(std::make_shared<LogFile>(path, std::move(namespace_name), std::move(options))) {}

Log::~Log() = default;

std::vector<std::string> Log::namespaces() {
  const MutexLock lock(file_->mutex());
  std::vector<std::string> names;
  for (const Row row : file_->query(sql::namespaces))
    names.push_back(row["namespace"].as<std::string>());
  return names;
}

std::vector<std::string> Log::reasons_at(Position position) {
  const MutexLock lock(file_->mutex());
  std::vector<std::string> reasons;
  for (const Row row :
       file_->query(sql::reasons_at, {as_parameter(file_->namespace_name()), id_at(position)}))
    reasons.push_back(row["reason"].as<std::string>());
  return reasons;
}

std::unique_ptr<LogClaims> Log::claims() const { return std::make_unique<Claims>(file_); }

std::unique_ptr<Inspector> Log::inspector() const { return std::make_unique<Inspection>(file_); }

std::unique_ptr<Deliveries> Log::deliveries() const {
  return std::make_unique<DeliveryTable>(file_);
}

std::unique_ptr<Subscribers> Log::subscribers() const {
  return std::make_unique<SubscriberTable>(file_);
}

std::unique_ptr<Pruning> Log::pruning() const { return std::make_unique<LogTable>(file_); }

bool Log::is_of(const FileIdentity& file) const noexcept { return file_->is_of(file); }

bool Log::split() const noexcept { return file_->split(); }

std::string Log::database_id() const {
  const MutexLock lock(file_->mutex());
  return file_->database_id();
}

Cursor Log::now() {
  const MutexLock lock(file_->mutex());
  file_->follow_path();
  Cursor now = file_->state(0).cursor();
  file_->note_told(now);
  return now;
}

Cursor Log::retained() {
  const MutexLock lock(file_->mutex());
  file_->follow_path();
  const LogState state = file_->state(0);
  return {state.epoch, Snapshot::upto({state.floor - 1}), {}};
}

TailPage Log::read(const TailRequest& request) {
  TailPage page = read_page(request);
  const MutexLock lock(file_->mutex());
  file_->note_told(page.upto);
  if (!request.beat || page.status == TailStatus::history_changed) return page;
  page.beaten = file_->beat(*request.beat, request.from);
  return page;
}

TailPage Log::read_page(const TailRequest& request) {
  const MutexLock lock(file_->mutex());
  file_->follow_path();
  const std::uint64_t from = last_id(request.from);
  TailPage page;
  const auto restart_at = [&](TailStatus status) QUERYMARK_REQUIRES(file_->mutex()) {
    page.rows.clear();
    page.more = false;
    page.status = status;
    page.upto = file_->state(0).cursor();
    return page;
  };
  // Mostly nothing is new: one statement tells, which is a snapshot of its own.
  const LogState quick = file_->state(from);
  if (!request.upto && quick.last == from && quick.epoch == request.from.epoch &&
      !quick.rewound(from, request.from.last_write) && from + 1 >= quick.floor) {
    page.floor = Position{quick.floor};
    page.upto = quick.cursor();
    return page;
  }
  // State and rows in one snapshot.
  ScopedTransaction transaction(file_->connection(), ScopedTransaction::Kind::read);
  const LogState state = file_->look(from);
  page.floor = Position{state.floor};
  const bool other_epoch = state.epoch != request.from.epoch;
  if (other_epoch || state.rewound(from, request.from.last_write)) {
    transaction.commit();
    if (!other_epoch) file_->replace_if_rewound(state.epoch, from, request.from.last_write);
    file_->tell_history_changed();
    return restart_at(TailStatus::history_changed);
  }
  if (from + 1 < state.floor) {
    transaction.commit();
    return restart_at(TailStatus::pruned);
  }
  page.upto = request.upto.value_or(state.cursor());
  const std::uint64_t after = request.after ? request.after->id : from;
  const ResultSet rows = file_->query(
      sql::log_page, {as_parameter(after), as_parameter(last_id(page.upto)),
                      as_parameter(file_->namespace_name()), as_parameter(request.limit + 1)});
  for (const Row row : rows) {
    const auto id = row["id"].as<std::uint64_t>();
    const Field target = row["target"];
    append_row(page.rows,
               {.id = id,
                .position = Position{id},
                .write = write_id_of(row["write_id"].as<std::int64_t>()),
                .target = std::nullopt},
               row["kind"].view(), target.is_null() ? std::string_view() : target.view());
  }
  page.more = cut_page(page.rows, request.limit);
  const std::uint64_t last = page.more ? page.rows.back().id : last_id(page.upto);
  if (file_->has_gap(after, last)) {
    transaction.commit();
    return restart_at(TailStatus::pruned);
  }
  return page;
}

bool Log::holds(const Receipt& receipt) {
  const MutexLock lock(file_->mutex());
  file_->follow_path();
  // State and row in one snapshot.
  ScopedTransaction transaction(file_->connection(), ScopedTransaction::Kind::read);
  if (file_->look(0).epoch != receipt.epoch) return false;
  const ResultSet found = file_->query(
      sql::confirm_write,
      {id_at(receipt.position), as_parameter(static_cast<std::int64_t>(receipt.write.value))});
  return found.row(0)["logged"].as<int>() == 1;
}

bool Log::refutes(const Receipt& receipt) {
  const MutexLock lock(file_->mutex());
  file_->follow_path();
  ScopedTransaction transaction(file_->connection(), ScopedTransaction::Kind::read);
  const Cursor told = file_->told();
  const LogState state = file_->look(last_id(told));
  if (state.epoch != receipt.epoch) return true;
  // Rewound, and nobody has looked since: the write is of this history, what the reader has applied
  // is of another.
  if (told.epoch == state.epoch && state.rewound(last_id(told), told.last_write)) return true;
  if (receipt.position.value < state.floor) return false;  // what was there, nobody can tell
  const ResultSet found = file_->query(sql::write_at, {id_at(receipt.position)});
  return found.empty() || write_id_of(found.row(0)["write_id"].as<std::int64_t>()) != receipt.write;
}

LogCoverage Log::coverage(Position first, Position last) {
  const MutexLock lock(file_->mutex());
  file_->follow_path();
  // State and consumers in one snapshot.
  const ScopedTransaction transaction(file_->connection(), ScopedTransaction::Kind::read);
  const LogState state = file_->look(0);
  const std::string epoch = state.epoch.hex();
  const ResultSet found =
      file_->query(sql::coverage, {as_parameter(file_->namespace_name()), id_at(first), id_at(last),
                                   as_parameter(kMaxGaps), as_parameter(epoch)});
  return {.end = state.cursor(), .consumers = coverage_rows(found, [](const Field& id) {
                                   return Snapshot::upto({id.as<std::uint64_t>()});
                                 })};
}

WriteFate Log::resolve(const Receipt& receipt) {
  const MutexLock lock(file_->mutex());
  file_->follow_path();
  ScopedTransaction transaction(file_->connection(), ScopedTransaction::Kind::read);
  const LogState state = file_->look(0);
  if (state.epoch != receipt.epoch || receipt.intents == 0) return WriteFate::unknown;
  const ResultSet found = file_->query(sql::write_at, {id_at(receipt.position)});
  if (!found.empty())
    return write_id_of(found.row(0)["write_id"].as<std::int64_t>()) == receipt.write
               ? WriteFate::committed
               : WriteFate::rolled_back;
  // Ids that were rolled back are given out again. A row that was there and is not was taken away.
  return receipt.position.value > state.last ? WriteFate::rolled_back : WriteFate::unknown;
}

bool Log::verify(const SharedStamp& stamp) {
  const MutexLock lock(file_->mutex());
  const std::uint64_t horizon = std::min(stamp.horizon.value, kLastId);
  const std::uint64_t id = horizon - std::min<std::uint64_t>(horizon, 1);
  const LogState state = file_->state(id);
  if (state.epoch != stamp.epoch) return false;
  if (!state.rewound(id, stamp.witness)) return true;
  file_->replace_if_rewound(state.epoch, id, stamp.witness);
  return false;
}

}  // namespace querymark::sqlite

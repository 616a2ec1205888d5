#include "claims.hpp"

#include "log_connection.hpp"
#include "postgres_sql.hpp"
#include "querymark/log/fields.hpp"
#include "querymark/postgres/types.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/random.hpp"
#include "snapshot_text.hpp"

namespace querymark::postgres {
namespace {

// A cursor that covers nothing new for this many ids is moved along, so that its list of ids in
// progress does not grow old.
constexpr std::uint64_t kIdleStride = 65'536;

struct ConsumerRow {
  std::optional<Cursor> cursor;
  bool held = false;
  std::string owner;
  bool owes_flush = false;
  std::optional<std::chrono::milliseconds> next_due;

  [[nodiscard]] bool has_work() const {
    return owes_flush || (next_due && *next_due <= std::chrono::milliseconds(0));
  }
};

std::optional<ConsumerRow> consumer_of(LogConnection& log, const std::string& name)
    QUERYMARK_REQUIRES(log.mutex()) {
  const ResultSet set =
      log.query(sql::consumer, {as_parameter(log.namespace_name()), as_parameter(name),
                                as_parameter(kLongestLease.count())});
  if (set.empty()) return std::nullopt;
  const Row row = set.row(0);
  ConsumerRow found{.cursor = cursor_of(row),
                    .held = row["held"].as<bool>(),
                    .owner = text_or_empty(row["owner"]),
                    .owes_flush = row["owes_flush"].as<bool>()};
  if (const auto due = row["next_due"].as<std::optional<std::int64_t>>())
    found.next_due = std::chrono::milliseconds(*due);
  return found;
}

}  // namespace

ClaimResult Claims::claim(const std::string& consumer, const std::string& owner,
                          std::chrono::milliseconds lease) {
  require_lease(lease);
  const MutexLock lock(log_->mutex());
  // A cheap read first: nothing is written when nothing is new.
  auto row = consumer_of(*log_, consumer);
  if (!row) {
    log_->execute(sql::consumer_register,
                  {as_parameter(log_->namespace_name()), as_parameter(consumer)});
    row = consumer_of(*log_, consumer);
    if (!row) throw Error("the consumer " + consumer + " vanished from querymark.consumer");
  }
  if (row->held && row->owner != owner) return {ClaimStatus::held_elsewhere, {}, {}};
  if (row->cursor && !row->has_work()) {
    const auto found = log_->page(*row->cursor, std::nullopt, std::nullopt, 1);
    const bool current = log_->proves(found.state) && found.state.epoch == row->cursor->epoch &&
                         !rewound(*row->cursor, found.state) && found.state.whole(*row->cursor);
    const bool fresh =
        found.state.snapshot.limit().value < row->cursor->snapshot.limit().value + kIdleStride;
    if (current && found.rows.empty() && fresh)
      return {ClaimStatus::nothing_new,
              {.from = *row->cursor, .upto = found.state.cursor()},
              row->next_due};
  }
  Claim claim{.consumer = consumer, .token = WriteId{random_u64()}};
  const ResultSet taken = log_->query(
      sql::consumer_claim, {as_parameter(log_->namespace_name()), as_parameter(consumer),
                            as_parameter(owner), as_parameter(stored(claim.token)),
                            as_parameter(lease.count()), as_parameter(kLongestLease.count())});
  if (taken.empty()) return {ClaimStatus::held_elsewhere, {}, {}};
  const Row mine = taken.row(0);
  const auto cursor = cursor_of(mine);
  claim.attempts = mine["segment_attempts"].as<std::uint32_t>();
  if (const Field owed = mine["flush_required_upto"]; !owed.is_null())
    claim.flush_owed = parse_position(owed.view());
  claim.waiting = mine["waiting"].as<bool>();
  claim.now = WallTime(std::chrono::milliseconds(mine["now"].as<std::int64_t>()));
  // The snapshot that bounds the segment, in a later statement than the lock's.
  const LogState now = log_->state(cursor);
  claim.upto = now.cursor();
  claim.flush_first = !cursor || cursor->epoch != now.epoch || !now.whole(*cursor);
  claim.from = claim.flush_first ? claim.upto : *cursor;
  return {ClaimStatus::claimed, claim, {}};
}

bool Claims::advance(const Claim& claim, const Cursor& cursor) {
  const MutexLock lock(log_->mutex());
  const std::string epoch = cursor.epoch.hex();
  const std::string snapshot = snapshot_text(cursor.snapshot);
  return log_->execute(
             sql::consumer_advance,
             {as_parameter(log_->namespace_name()), as_parameter(claim.consumer),
              as_parameter(stored(claim.token)), as_parameter(epoch), as_parameter(snapshot)}) == 1;
}

bool Claims::renew(const Claim& claim, std::chrono::milliseconds lease) {
  require_lease(lease);
  const MutexLock lock(log_->mutex());
  return log_->execute(sql::consumer_renew,
                       {as_parameter(log_->namespace_name()), as_parameter(claim.consumer),
                        as_parameter(stored(claim.token)), as_parameter(lease.count())}) == 1;
}

void Claims::release(const std::string& consumer, const std::string& owner) {
  const MutexLock lock(log_->mutex());
  log_->execute(sql::consumer_release, {as_parameter(log_->namespace_name()),
                                        as_parameter(consumer), as_parameter(owner)});
}

}  // namespace querymark::postgres

#include "claims.hpp"

#include "log_file.hpp"
#include "querymark/log/fields.hpp"
#include "querymark/support/random.hpp"
#include "sqlite_sql.hpp"

namespace querymark::sqlite {
namespace {

struct ConsumerRow {
  std::optional<Epoch> epoch;
  std::uint64_t cursor_id = 0;
  WriteId cursor_witness;
  std::string owner;
  std::int64_t lease_until = 0;
  std::int64_t now = 0;
  unsigned attempts = 0;
  std::optional<Position> flush_owed;
  std::optional<std::chrono::milliseconds> next_due;

  [[nodiscard]] bool has_work() const {
    return flush_owed || (next_due && *next_due <= std::chrono::milliseconds(0));
  }
  // A lease that ends later than any may is one of a clock that was wrong.
  [[nodiscard]] bool held_by_another(const std::string& me) const {
    return !owner.empty() && owner != me && lease_until > now &&
           lease_until - now <= kLongestLease.count();
  }
};

std::optional<ConsumerRow> consumer_of(LogFile& file, const std::string& name)
    QUERYMARK_REQUIRES(file.mutex()) {
  const ResultSet set =
      file.query(sql::consumer, {as_parameter(file.namespace_name()), as_parameter(name)});
  if (set.empty()) return std::nullopt;
  const Row row = set.row(0);
  ConsumerRow found;
  if (const Field epoch = row["epoch"]; !epoch.is_null()) found.epoch = epoch_of(epoch);
  found.cursor_id = row["cursor_id"].as<std::uint64_t>();
  found.cursor_witness = write_id_of(row["witness"].as<std::int64_t>());
  found.owner = text_or_empty(row["owner"]);
  found.lease_until = row["lease_until"].as<std::int64_t>();
  found.now = row["now"].as<std::int64_t>();
  found.attempts = row["segment_attempts"].as<std::uint32_t>();
  if (const auto owed = row["flush_required_upto"].as<std::optional<std::uint64_t>>())
    found.flush_owed = Position{*owed};
  if (const auto due = row["next_due"].as<std::optional<std::int64_t>>())
    found.next_due = std::chrono::milliseconds(*due);
  return found;
}

}  // namespace

ClaimResult Claims::claim(const std::string& consumer, const std::string& owner,
                          std::chrono::milliseconds lease) {
  require_lease(lease);
  const MutexLock lock(file_->mutex());
  file_->follow_path();
  // A cheap read first: no write lock is taken when nothing is new.
  auto row = consumer_of(*file_, consumer);
  if (!row) {
    file_->execute(sql::consumer_register,
                   {as_parameter(file_->namespace_name()), as_parameter(consumer)});
    row = consumer_of(*file_, consumer);
    if (!row) throw Error("the consumer " + consumer + " vanished from querymark_consumer");
  }
  if (row->held_by_another(owner)) return {ClaimStatus::held_elsewhere, {}, {}};
  LogState state = file_->state(row->cursor_id);
  if (row->epoch == state.epoch && state.rewound(row->cursor_id, row->cursor_witness)) {
    file_->replace_if_rewound(state.epoch, row->cursor_id, row->cursor_witness);
    state = file_->state(row->cursor_id);
  }
  const bool current = row->epoch == state.epoch && row->cursor_id + 1 >= state.floor;
  if (current && row->cursor_id == state.last && !row->has_work())
    return {ClaimStatus::nothing_new,
            {.from = Cursor{state.epoch, Snapshot::upto({row->cursor_id}), row->cursor_witness},
             .upto = state.cursor()},
            row->next_due};

  Claim claim{.consumer = consumer, .token = WriteId{random_u64()}};
  {
    ScopedTransaction transaction(file_->connection(), ScopedTransaction::Kind::write);
    row = consumer_of(*file_, consumer);
    if (!row || row->held_by_another(owner)) return {ClaimStatus::held_elsewhere, {}, {}};
    file_->execute(
        sql::consumer_claim,
        {as_parameter(file_->namespace_name()), as_parameter(consumer), as_parameter(owner),
         as_parameter(stored(claim.token)), as_parameter(lease.count())});
    file_->execute(sql::deliveries_take_back,
                   {as_parameter(file_->namespace_name()), as_parameter(consumer),
                    as_parameter(stored(claim.token))});
    transaction.commit();
  }
  claim.attempts = row->attempts + 1;
  claim.flush_owed = row->flush_owed;
  claim.waiting = row->next_due.has_value();
  claim.now = WallTime(std::chrono::milliseconds(row->now));
  // The snapshot that bounds the segment, in a later statement than the lock's.
  state = file_->state(row->cursor_id);
  claim.upto = state.cursor();
  claim.flush_first = row->epoch != state.epoch || row->cursor_id + 1 < state.floor ||
                      file_->has_gap(row->cursor_id, state.last);
  claim.from = claim.flush_first
                   ? claim.upto
                   : Cursor{state.epoch, Snapshot::upto({row->cursor_id}), row->cursor_witness};
  return {ClaimStatus::claimed, claim, {}};
}

bool Claims::advance(const Claim& claim, const Cursor& cursor) {
  const MutexLock lock(file_->mutex());
  const std::string epoch = cursor.epoch.hex();
  return file_->execute(sql::consumer_advance,
                        {as_parameter(file_->namespace_name()), as_parameter(claim.consumer),
                         as_parameter(stored(claim.token)), as_parameter(epoch),
                         as_parameter(last_id(cursor)), witness_of(cursor)}) == 1;
}

bool Claims::renew(const Claim& claim, std::chrono::milliseconds lease) {
  require_lease(lease);
  const MutexLock lock(file_->mutex());
  return file_->execute(sql::consumer_renew,
                        {as_parameter(file_->namespace_name()), as_parameter(claim.consumer),
                         as_parameter(stored(claim.token)), as_parameter(lease.count())}) == 1;
}

void Claims::release(const std::string& consumer, const std::string& owner) {
  const MutexLock lock(file_->mutex());
  file_->execute(sql::consumer_release, {as_parameter(file_->namespace_name()),
                                         as_parameter(consumer), as_parameter(owner)});
}

}  // namespace querymark::sqlite

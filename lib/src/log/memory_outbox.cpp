#include "querymark/log/memory_outbox.hpp"

#include <algorithm>

#include "querymark/log/log_rows.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/random.hpp"

namespace querymark {

using namespace std::chrono_literals;

MemoryOutbox::MemoryOutbox(std::string namespace_name, const Clock& clock)
    : namespace_name_(std::move(namespace_name)), clock_(clock) {}

Receipt MemoryOutbox::append(const IntentBatch& intents) {
  const WriteId write{random_u64()};
  const MutexLock lock(mutex_);
  for (const Target& target : intents.targets()) {
    last_.value += 1;
    last_write_ = write;
    rows_.push_back({.id = last_.value, .position = last_, .write = write, .target = target});
  }
  return {namespace_name_, epoch_, last_, write, static_cast<std::uint32_t>(intents.size())};
}

void MemoryOutbox::append_malformed() {
  const MutexLock lock(mutex_);
  last_.value += 1;
  last_write_ = WriteId{random_u64()};
  rows_.push_back(
      {.id = last_.value, .position = last_, .write = last_write_, .target = std::nullopt});
}

void MemoryOutbox::append_tracked(std::string_view kind, std::string_view text) {
  const MutexLock lock(mutex_);
  last_.value += 1;
  last_write_ = WriteId{random_u64()};
  append_row(rows_,
             {.id = last_.value, .position = last_, .write = last_write_, .target = std::nullopt},
             kind, text);
}

void MemoryOutbox::prune(Position floor) {
  const MutexLock lock(mutex_);
  floor_ = std::max(floor_, floor);
  std::erase_if(rows_, [floor = floor_](const LogRow& row) { return row.position < floor; });
}

void MemoryOutbox::replace_history() {
  const MutexLock lock(mutex_);
  epoch_ = Epoch::random();
  rows_.clear();
  recorded_.clear();
  floor_ = Position{1};
  last_ = Position{};
  last_write_ = WriteId{};
}

Cursor MemoryOutbox::end() const { return {epoch_, Snapshot::upto(last_), last_write_}; }

Cursor MemoryOutbox::now() {
  const MutexLock lock(mutex_);
  return end();
}

Cursor MemoryOutbox::retained() {
  const MutexLock lock(mutex_);
  return {epoch_, Snapshot::upto(Position{floor_.value - 1}), {}};
}

bool MemoryOutbox::holds(const Receipt& receipt) {
  const MutexLock lock(mutex_);
  return receipt.epoch == epoch_ && std::ranges::any_of(rows_, [&](const LogRow& row) {
           return row.position == receipt.position && row.write == receipt.write;
         });
}

bool MemoryOutbox::lost_rows(const Cursor& from) const { return from.snapshot.limit() < floor_; }

TailPage MemoryOutbox::read(const TailRequest& request) {
  const MutexLock lock(mutex_);
  TailPage page{.upto = request.upto.value_or(end()), .floor = floor_};
  if (request.beat) page.beaten = beaten(*request.beat, request.from);
  if (request.from.epoch != epoch_ || page.upto.epoch != epoch_) {
    page.status = TailStatus::history_changed;
    page.upto = end();
    return page;
  }
  if (lost_rows(request.from)) {
    page.status = TailStatus::pruned;
    page.upto = end();
    return page;
  }
  const std::uint64_t seen =
      std::max(request.from.snapshot.horizon().value - 1, request.after ? request.after->id : 0);
  const auto first = std::ranges::upper_bound(rows_, seen, {}, &LogRow::id);
  std::size_t count = 0;
  for (const LogRow& row : std::ranges::subrange(first, rows_.end())) {
    if (request.from.snapshot.covers(row.position) || !page.upto.snapshot.covers(row.position))
      continue;
    const bool another = page.rows.empty() || page.rows.back().id != row.id;
    if (another && ++count > request.limit + 1) break;
    page.rows.push_back(row);
  }
  page.more = cut_page(page.rows, request.limit);
  return page;
}

ClaimResult MemoryOutbox::claim(const std::string& consumer, const std::string& owner,
                                std::chrono::milliseconds lease) {
  require_lease(lease);
  const MutexLock lock(mutex_);
  Consumer& row = consumers_[consumer];
  const MonotonicTime now = clock_.now();
  if (!row.owner.empty() && row.owner != owner && now < row.lease_end)
    return {ClaimStatus::held_elsewhere, {}};
  const bool fresh = !row.cursor || row.cursor->epoch != epoch_ || lost_rows(*row.cursor);
  const auto due = due_in(row);
  if (!fresh && row.cursor->snapshot == end().snapshot && !row.flush_owed &&
      due.value_or(1ms) > 0ms)
    return {ClaimStatus::nothing_new, {.from = *row.cursor, .upto = end()}, due};
  row.owner = owner;
  row.token = WriteId{random_u64()};
  row.lease_end = now + lease;
  ++row.attempts;
  for (auto& [id, waiting] : row.deliveries)
    if (waiting.state == DeliveryState::claimed) waiting.state = DeliveryState::pending;
  return {ClaimStatus::claimed,
          {.consumer = consumer,
           .token = row.token,
           .from = fresh ? end() : *row.cursor,
           .upto = end(),
           .flush_first = fresh,
           .attempts = row.attempts,
           .flush_owed = row.flush_owed,
           .waiting = due.has_value(),
           .now = clock_.wall_now()},
          std::nullopt};
}

MemoryOutbox::Consumer* MemoryOutbox::held(const Claim& claim) {
  const auto found = consumers_.find(claim.consumer);
  return found != consumers_.end() && found->second.token == claim.token ? &found->second : nullptr;
}

bool MemoryOutbox::advance(const Claim& claim, const Cursor& cursor) {
  const MutexLock lock(mutex_);
  Consumer* row = held(claim);
  if (row == nullptr || claim.upto.epoch != epoch_) return false;
  row->cursor = cursor;
  row->attempts = 0;
  return true;
}

bool MemoryOutbox::renew(const Claim& claim, std::chrono::milliseconds lease) {
  const MutexLock lock(mutex_);
  Consumer* row = held(claim);
  if (row == nullptr) return false;
  row->lease_end = clock_.now() + lease;
  return true;
}

void MemoryOutbox::release(const std::string& consumer, const std::string& owner) {
  const MutexLock lock(mutex_);
  const auto found = consumers_.find(consumer);
  if (found == consumers_.end() || found->second.owner != owner) return;
  found->second.owner.clear();
  found->second.token = WriteId{};
  found->second.attempts = 0;
}

}  // namespace querymark

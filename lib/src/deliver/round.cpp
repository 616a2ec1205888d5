#include "round.hpp"

#include <algorithm>
#include <utility>

#include "coalesce.hpp"
#include "querymark/support/excerpt.hpp"
#include "querymark/support/random.hpp"

namespace querymark {
namespace {

// Rows of a page that goes row by row: each costs two statements.
constexpr std::size_t kCarefulPage = 100;
constexpr std::size_t kDueBatch = 100;
// A row that takes the target down this often in a row is what does it.
constexpr unsigned kOpenings = 3;

bool same_row(const SharedInvalidation& a, const SharedInvalidation& b) {
  return a.position == b.position && a.target == b.target;
}

}  // namespace

Round::Round(const WorkerLog& log, Applier& applier, const WorkerOptions& options,
             WorkerMemory& memory, const Claim& claim, const std::stop_token& stop)
    : log_(log),
      target_(applier),
      options_(options),
      memory_(memory),
      claim_(claim),
      stop_(stop),
      began_(options.clock->now()),
      renewed_(began_) {}

void Round::run() {
  memory_.epoch = claim_.upto.epoch;
  if (claim_.flush_first) {
    static_cast<void>(flush_instead());
    return;
  }
  static_cast<void>(pay_flush() && segment() && due());
}

bool Round::fenced() {
  page_ = {};  // the new owner's work now
  result_.fenced = true;
  return false;
}

bool Round::outage(std::string_view error) {
  open_breaker(error);
  if (!log_.deliveries.forgive(claim_, error_)) return fenced();
  result_.down = true;
  result_.claimed += page_.claimed;
  result_.retried += std::max<std::uint64_t>(page_.claimed, 1);
  return false;
}

void Round::open_breaker(std::string_view error) {
  memory_.breaker.fail(options_.clock->now(), random_u64());
  ++memory_.openings;
  error_ = beginning(error, kLongestError);
}

// By the database's clock: what it said when the claim was made, and what has passed since.
WallTime Round::database_now() const {
  return claim_.now +
         std::chrono::duration_cast<std::chrono::milliseconds>(options_.clock->now() - began_);
}

bool Round::keep_lease() {
  memory_.step = options_.clock->now().time_since_epoch().count();
  if (options_.clock->now() - renewed_ <= options_.lease / 2) return true;
  if (!log_.claims.renew(claim_, options_.lease)) return fenced();
  renewed_ = options_.clock->now();
  return true;
}

bool Round::pay_flush() {
  if (!claim_.flush_owed) return true;
  const Position known{claim_.from.snapshot.limit().value - 1};
  const SharedInvalidation flush{flush_all(), std::max(known, *claim_.flush_owed)};
  const TargetVerdict verdict = target_.apply_one(claim_.upto.epoch, flush);
  if (verdict.is != TargetVerdict::Is::applied) return outage(verdict.error);
  result_.flushed = true;
  return log_.deliveries.pay_flush(claim_, flush.position) || fenced();
}

bool Round::hand_on(const Snapshot& from, std::optional<std::span<const LogRow>> rows) {
  const std::string error =
      target_.relayed([&](Relay& relay) { relay.hand_on(from, claim_.upto, rows); });
  return error.empty() || outage(error);
}

bool Round::flush_instead() {
  if (!hand_on({}, std::nullopt)) return false;
  const SharedInvalidation flush{flush_all(), {claim_.upto.snapshot.limit().value - 1}};
  const TargetVerdict verdict = target_.apply_one(claim_.upto.epoch, flush);
  // A flush that fails while others succeed leaves nothing that could stand in for it.
  if (verdict.is != TargetVerdict::Is::applied) return outage(verdict.error);
  result_.flushed = true;
  applied_.push_back(flush);
  return record(claim_.upto);
}

bool Round::segment() {
  // A worker, or the target, has died in it: row by row for the length of a page, and until the cursor
  // has moved. Behind that the next claim begins anew; within it, what a whole page stopped at would
  // stop it again.
  const bool died = claim_.attempts > 1 || memory_.openings > 1;
  std::size_t careful = options_.page_size;
  Snapshot reached = claim_.from.snapshot;
  TailRequest request{
      .from = claim_.from, .upto = claim_.upto, .after = std::nullopt, .limit = options_.page_size};
  for (bool more = true; more;) {
    const bool by_row = died && (careful > 0 || reached == claim_.from.snapshot);
    if (by_row) request.limit = std::min(kCarefulPage, careful > 0 ? careful : options_.page_size);
    const TailPage page = log_.reader.read(request);
    // The history changed under the claim: leave the cursor, the next claim starts with a flush.
    if (page.status != TailStatus::ok) return fenced();
    // The whole segment at once, before any of it is recorded: the rows of one that takes several pages
    // are not told.
    if (!request.after && !hand_on(claim_.from.snapshot,
                                   page.more ? std::nullopt : std::optional(std::span(page.rows))))
      return false;
    page_.claimed += page.rows.size();
    for (const LogRow& row : page.rows) {
      if (row.target) continue;
      ++page_.malformed;
      left_.push_back({.target = std::nullopt,
                       .first_position = row.position,
                       .position = row.position,
                       .state = DeliveryState::dead,
                       .error = "a row of the log that cannot be read: flushed instead"});
    }
    const std::vector<SharedInvalidation> wanted = coalesce(page.rows);
    if (!(by_row ? row_by_row(wanted) : batch(wanted))) return false;
    more = page.more;
    if (!more) break;
    careful -= std::min(careful, page.rows.size());
    request.after = page.rows.back();
    request.limit = options_.page_size;
    // The last row's transaction may go on behind the page.
    const Snapshot cut =
        claim_.from.snapshot.cut(claim_.upto.snapshot, {page.rows.back().position.value - 1});
    if (cut != reached) {
      if (!record({claim_.upto.epoch, cut, {}})) return false;
      reached = cut;
    }
    if (!keep_lease()) return false;
    if (stop_.stop_requested()) return false;  // the rest is for the next claim
  }
  return record(claim_.upto);
}

bool Round::batch(const std::vector<SharedInvalidation>& wanted) {
  const std::vector<TargetVerdict> verdicts = target_.apply(claim_.upto.epoch, wanted);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const TargetVerdict& verdict = verdicts[i];
    if (verdict.is == TargetVerdict::Is::applied) {
      acquit(wanted[i]);
      if (claim_.waiting) applied_.push_back(wanted[i]);
    } else if (verdict.is == TargetVerdict::Is::poison) {
      leave(wanted[i], verdict);
    } else {
      memory_.suspect.reset();  // it may have been any of them
      return outage(verdict.error);
    }
  }
  return true;
}

bool Round::row_by_row(const std::vector<SharedInvalidation>& wanted) {
  for (const SharedInvalidation& each : wanted) {
    auto taken = log_.deliveries.take_row(claim_, each, options_.largest_ttl);
    if (!taken) return fenced();
    if (taken->empty()) continue;  // it waits for later, or has been decided on
    if (!attempt(*taken, claim_.waiting ? &applied_ : nullptr)) return false;
    if (!keep_lease()) return false;
  }
  return true;
}

bool Round::breaks_the_target(const SharedInvalidation& wanted) {
  if (!memory_.suspect || !same_row(*memory_.suspect, wanted)) {
    memory_.suspect = wanted;
    memory_.suspected = 0;
  }
  return ++memory_.suspected >= kOpenings;
}

void Round::acquit(const SharedInvalidation& applied) {
  if (memory_.suspect && same_row(*memory_.suspect, applied)) memory_.suspect.reset();
}

bool Round::attempt(const std::vector<Delivery<delivery::Claimed>>& taken,
                    std::vector<SharedInvalidation>* applied) {
  std::vector<Settled> outcomes;
  std::vector<DeliveryRecord> records;
  std::vector<SharedInvalidation> wanted;
  for (const auto& each : taken) {
    const DeliveryRecord& record = each.record();
    if (auto end = not_to_be_tried(record)) {
      outcomes.push_back(std::move(*end));
      continue;
    }
    wanted.push_back({*record.target, record.position, record.first_position});
    records.push_back(record);
  }
  const std::vector<TargetVerdict> verdicts = target_.apply(claim_.upto.epoch, wanted);
  std::string down;
  std::uint64_t recovered = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const TargetVerdict& verdict = verdicts[i];
    switch (verdict.is) {
      case TargetVerdict::Is::applied:
        acquit(wanted[i]);
        outcomes.push_back({.id = records[i].id, .as = Settled::As::applied});
        recovered += records[i].attempts > 1 ? 1 : 0;
        if (applied != nullptr) applied->push_back(wanted[i]);
        break;
      case TargetVerdict::Is::poison:
        outcomes.push_back(failed(records[i], verdict));
        break;
      case TargetVerdict::Is::outage:
        down = verdict.error;
        if (records.size() == 1 && breaks_the_target(wanted[i])) {
          outcomes.push_back(failed(records[i], verdict));
          memory_.suspect.reset();
          break;
        }
        [[fallthrough]];
      case TargetVerdict::Is::skipped:
        outcomes.push_back({.id = records[i].id, .as = Settled::As::unclaimed});
        break;
    }
  }
  if (!log_.deliveries.settle(claim_, outcomes, options_.on_death)) {
    if (!down.empty()) open_breaker(down);  // whoever holds the lease now
    return fenced();
  }
  result_.recovered += recovered;
  for (const Settled& outcome : outcomes) {
    if (outcome.as == Settled::As::applied || outcome.as == Settled::As::unclaimed) continue;
    ++(outcome.as == Settled::As::pending ? result_.left : result_.died);
    page_.elsewhere += 1;
    error_ = outcome.error;
  }
  return down.empty() || outage(down);
}

// Before it is tried: its attempts or its time may be used up by now, by workers that it has
// killed.
std::optional<Settled> Round::not_to_be_tried(const DeliveryRecord& record) {
  if (options_.retry.max_attempts != 0 && record.attempts > options_.retry.max_attempts) {
    return Settled{.id = record.id,
                   .as = Settled::As::dead,
                   .error = "its attempts ended without a word, the last worker's too"};
  }
  if (database_now() > record.deadline) {
    return Settled{.id = record.id, .as = Settled::As::expired, .error = "its deadline has passed"};
  }
  return std::nullopt;
}

Settled Round::failed(const DeliveryRecord& record, const TargetVerdict& verdict) {
  const auto pause = options_.retry.pause(record.attempts, random_u64());
  Settled end{.id = record.id,
              .as = Settled::As::pending,
              .pause = pause,
              .error = std::string(beginning(verdict.error, kLongestError))};
  switch (options_.retry.verdict(verdict.kind, record.attempts, record.deadline,
                                 database_now() + pause)) {
    case RetryVerdict::retry:
      break;
    case RetryVerdict::expired:
      end.as = Settled::As::expired;
      break;
    case RetryVerdict::refused:
    case RetryVerdict::exhausted:
      end.as = Settled::As::dead;
      break;
  }
  return end;
}

void Round::leave(const SharedInvalidation& wanted, const TargetVerdict& verdict) {
  const DeliveryRecord record{.target = wanted.target,
                              .epoch = claim_.upto.epoch,
                              .first_position = wanted.first_position,
                              .position = wanted.position,
                              .attempts = 1,
                              .deadline = database_now() + options_.largest_ttl};
  const Settled end = failed(record, verdict);
  ++(end.as == Settled::As::pending ? page_.left : page_.died);
  error_ = end.error;
  DeliveryState state = DeliveryState::pending;
  if (end.as == Settled::As::dead) state = DeliveryState::dead;
  if (end.as == Settled::As::expired) state = DeliveryState::expired;
  left_.push_back({.target = wanted.target,
                   .first_position = wanted.first_position,
                   .position = wanted.position,
                   .state = state,
                   .pause = end.pause,
                   .error = end.error});
}

bool Round::record(const Cursor& cursor) {
  const bool plain = left_.empty() && applied_.empty();
  const Progress progress{.cursor = cursor,
                          .left = std::exchange(left_, {}),
                          .applied = applied_,
                          .lifetime = options_.largest_ttl};
  const bool ours = plain ? log_.claims.advance(claim_, cursor)
                          : log_.deliveries.record(claim_, progress, options_.on_death);
  if (!ours) return fenced();
  applied_.clear();
  memory_.breaker.succeed();
  result_.claimed += page_.claimed;
  result_.malformed += page_.malformed;
  result_.left += page_.left;
  result_.died += page_.died;
  const std::uint64_t not_applied = page_.malformed + page_.left + page_.died + page_.elsewhere;
  result_.applied += page_.claimed - std::min(page_.claimed, not_applied);
  page_ = {};
  if (cursor == claim_.upto) {
    memory_.openings = 0;
    memory_.suspect.reset();
  }
  return true;
}

bool Round::due() {
  while (claim_.waiting && !stop_.stop_requested()) {
    // One at a time where one of them may be what takes the target down.
    auto taken = log_.deliveries.take_due(claim_, memory_.openings > 1 ? 1 : kDueBatch);
    if (!taken) return fenced();
    if (taken->empty()) return true;
    if (!attempt(*taken, nullptr)) return false;
    if (!keep_lease()) return false;
  }
  return true;
}

}  // namespace querymark

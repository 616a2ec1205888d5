#include "querymark/deliver/worker.hpp"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "querymark/support/bytes.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/random.hpp"

namespace querymark {
namespace {

// Equal targets of a page collapse to the highest position; a flush swallows what lies at or below
// it.
std::vector<SharedInvalidation> coalesce(const std::vector<LogRow>& rows,
                                         std::uint64_t& malformed) {
  std::map<std::pair<bool, std::string>, SharedInvalidation> latest;
  std::optional<Position> flushed;
  for (const LogRow& row : rows) {
    if (!row.target) ++malformed;
    if (!row.target || row.target->is_flush()) {
      flushed = std::max(flushed.value_or(row.position), row.position);
      continue;
    }
    const std::pair identity(row.target->kind() == TargetKind::key, row.target->text());
    const auto [at, fresh] =
        latest.try_emplace(identity, SharedInvalidation{*row.target, row.position});
    if (!fresh) at->second.position = std::max(at->second.position, row.position);
  }
  std::vector<SharedInvalidation> result;
  if (flushed) result.push_back({flush_all(), *flushed});
  for (auto& [identity, invalidation] : latest)
    if (!flushed || invalidation.position > *flushed) result.push_back(std::move(invalidation));
  return result;
}

std::string new_owner() {
  const std::uint64_t random = random_u64();
  return to_hex({reinterpret_cast<const char*>(&random), sizeof(random)});
}

// Tells an outage of the target from one of the log.
struct TargetFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void apply_to(Applier& target, Epoch epoch, std::span<const SharedInvalidation> invalidations) {
  try {
    target.apply(epoch, invalidations);
  } catch (const std::exception& failure) {
    throw TargetFailed(failure.what());
  }
}

// What would fail in each round is refused before the first.
WorkerOptions checked(WorkerOptions options) {
  require_lease(options.lease);
  if (options.lease.count() == 0) throw ConfigError("a worker's lease can't be zero");
  if (options.poll_interval.count() == 0)
    throw ConfigError("a worker's poll_interval can't be zero");
  if (options.page_size == 0) throw ConfigError("a page_size of 0 reads nothing");
  return options;
}

}  // namespace

Worker::Worker(WorkerLog log, Applier& applier, WorkerOptions options)
    : log_(log), applier_(applier), options_(checked(std::move(options))), owner_(new_owner()) {}

void Worker::apply_segment(const Claim& claim, WorkerRound& round) {
  if (claim.flush_first) {
    const SharedInvalidation flush{flush_all(), Position{claim.upto.snapshot.limit().value - 1}};
    apply_to(applier_, claim.upto.epoch, {&flush, 1});
    round.flushed = true;
    return;
  }
  MonotonicTime renewed = options_.clock->now();
  TailRequest request{
      .from = claim.from, .upto = claim.upto, .after = std::nullopt, .limit = options_.page_size};
  for (bool more = true; more && !round.fenced;) {
    const TailPage page = log_.reader.read(request);
    if (page.status != TailStatus::ok) {
      // The history changed under the claim: leave the cursor, the next claim starts with a flush.
      round.fenced = true;
      return;
    }
    round.claimed += page.rows.size();
    const auto invalidations = coalesce(page.rows, round.malformed);
    if (!invalidations.empty()) apply_to(applier_, page.upto.epoch, invalidations);
    more = page.more;
    if (more) request.after = page.rows.back();
    if (more && options_.clock->now() - renewed > options_.lease / 2) {
      round.fenced = !log_.claims.renew(claim, options_.lease);
      renewed = options_.clock->now();
    }
  }
}

WorkerRound Worker::run_once() {
  WorkerRound round;
  std::string error;
  const ClaimResult result = log_.claims.claim(applier_.name(), owner_, options_.lease);
  round.standby = result.status == ClaimStatus::held_elsewhere;
  if (result.status == ClaimStatus::claimed) {
    try {
      apply_segment(result.claim, round);
    } catch (const TargetFailed& failure) {  // the cursor stays, the segment is read again
      error = failure.what();
      round.retried = std::max<std::uint64_t>(round.claimed, 1);
      round.malformed = 0;
    }
    if (error.empty() && !round.fenced) round.fenced = !log_.claims.advance(result.claim);
    if (round.fenced) {
      round.claimed = 0;  // the new owner's work now
      round.malformed = 0;
      round.flushed = false;
    } else if (error.empty()) {
      round.applied = round.claimed - round.malformed;
    }
  }
  last_error_ = error;
  count(round, error);
  return round;
}

void Worker::count(const WorkerRound& round, std::string_view error) {
  claimed_ += round.claimed;
  applied_ += round.applied;
  retried_ += round.retried;
  malformed_ += round.malformed;
  if (options_.on_round && (!round.idle() || !error.empty())) options_.on_round(round, error);
}

std::chrono::milliseconds Worker::backoff() {
  const unsigned doublings = std::min(failures_, 20U);
  const auto ceiling = std::min<std::chrono::milliseconds>(
      options_.backoff_start * (1LL << doublings), options_.backoff_limit);
  const auto span = static_cast<std::uint64_t>(std::max<std::int64_t>(ceiling.count(), 1));
  return std::chrono::milliseconds(1 + random_u64() % span);
}

void Worker::run(const std::stop_token& stop) {
  // An own condition variable would miss the doorbell; the callback turns a stop into a ring.
  const std::stop_callback wake(stop, [this] {
    if (log_.doorbell != nullptr) log_.doorbell->interrupt();
  });
  std::mutex mutex;
  std::condition_variable_any stopped;
  while (!stop.stop_requested()) {
    bool failed = false;
    try {
      const WorkerRound round = run_once();
      failed = round.retried > 0;
      if (!failed) {
        failures_ = 0;
        if (!round.idle()) continue;
        if (log_.doorbell != nullptr) {
          log_.doorbell->wait(options_.poll_interval);
          continue;
        }
      }
    } catch (const std::exception& failure) {
      failed = true;
      last_error_ = failure.what();
      count({}, last_error_);
    }
    const auto pause = failed ? backoff() : options_.poll_interval;
    if (failed) ++failures_;
    std::unique_lock lock(mutex);
    stopped.wait_for(lock, stop, pause, [] { return false; });
  }
  release();
}

void Worker::release() {
  try {
    log_.claims.release(applier_.name(), owner_);
  } catch (const std::exception& failure) {
    last_error_ = failure.what();  // the lease ends by itself
    count({}, last_error_);
  }
}

WorkerCounts Worker::totals() const {
  return {.claimed = claimed_.load(),
          .applied = applied_.load(),
          .retried = retried_.load(),
          .malformed = malformed_.load()};
}

}  // namespace querymark

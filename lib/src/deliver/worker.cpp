#include "querymark/deliver/worker.hpp"

#include <algorithm>
#include <utility>

#include "querymark/support/bytes.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/random.hpp"
#include "querymark/support/thread.hpp"
#include "round.hpp"

namespace querymark {
namespace {

std::string new_owner() {
  const std::uint64_t random = random_u64();
  return to_hex({reinterpret_cast<const char*>(&random), sizeof(random)});
}

// What would fail in each round is refused before the first.
WorkerOptions checked(WorkerOptions options) {
  require_lease(options.lease);
  if (options.lease.count() == 0) throw ConfigError("a worker's lease can't be zero");
  if (options.poll_interval.count() == 0)
    throw ConfigError("a worker's poll_interval can't be zero");
  if (options.page_size == 0) throw ConfigError("a page_size of 0 reads nothing");
  if (options.largest_ttl.count() == 0)
    throw ConfigError("a worker's largest_ttl can't be zero: nothing would be delivered");
  options.retry.require_sane();
  return options;
}

}  // namespace

Worker::Worker(WorkerLog log, Applier& applier, WorkerOptions options)
    : log_(log), applier_(applier), options_(checked(std::move(options))), owner_(new_owner()) {
  memory_ = std::make_unique<WorkerMemory>();
  memory_->breaker = TargetBreaker(options_.retry);
}

Worker::~Worker() = default;

bool Worker::target_is_up(WorkerRound& round) {
  const MonotonicTime now = options_.clock->now();
  switch (memory_->breaker.state(now)) {
    case BreakerState::closed:
      return true;
    case BreakerState::open:
      round.down = true;
      return false;
    case BreakerState::half_open:
      break;
  }
  // A control operation decides, never an intent: that may be what the target does not take.
  last_error_ = TargetProbe(applier_).control(memory_->epoch);
  if (last_error_.empty()) return true;  // closed once it has taken what there is, too
  memory_->breaker.fail(options_.clock->now(), random_u64());
  round.down = true;
  return false;
}

bool Worker::relayed(WorkerRound& round, const std::function<void(Relay&)>& work) {
  last_error_ = TargetProbe(applier_).relayed(work);
  if (last_error_.empty()) return true;
  memory_->breaker.fail(options_.clock->now(), random_u64());
  round.down = true;
  return false;
}

WorkerRound Worker::look(const std::stop_token& stop) {
  struct Step {
    std::atomic<std::int64_t>& since;
    ~Step() { since = 0; }
  } const step{memory_->step};
  memory_->step = options_.clock->now().time_since_epoch().count();
  WorkerRound round;
  last_error_.clear();
  if (!target_is_up(round)) {
    // Its holder alone may be cut off from the target.
    if (!given_up_ && memory_->breaker.down_for(options_.clock->now()) > options_.lease) {
      log_.claims.release(applier_.name(), owner_);
      given_up_ = true;
    }
    return round;
  }
  given_up_ = false;
  // Who has asked before the log is looked at is answered by what that shows.
  if (!relayed(round, [](Relay& relay) { relay.listen(); })) return round;
  const ClaimResult result = log_.claims.claim(applier_.name(), owner_, options_.lease);
  ++claims_;
  standby_ = round.standby = result.status == ClaimStatus::held_elsewhere;
  round.next_due = result.next_due;
  if (result.status != ClaimStatus::claimed) {
    const bool takes_all =
        result.status == ClaimStatus::held_elsewhere || relayed(round, [&](Relay& relay) {
          relay.nothing_new(result.claim.from.snapshot, result.claim.upto);
        });
    if (takes_all) memory_->breaker.succeed();  // no intent is there that could say otherwise
    return round;
  }
  Round work(log_, applier_, options_, *memory_, result.claim, stop);
  work.run();
  last_error_ = work.error();
  return work.result();
}

WorkerRound Worker::run_once() {
  const WorkerRound round = look({});
  count(round, last_error_);
  return round;
}

void Worker::count(const WorkerRound& round, std::string_view error) {
  claimed_ += round.claimed;
  applied_ += round.applied;
  retried_ += round.retried;
  malformed_ += round.malformed;
  left_ += round.left;
  recovered_ += round.recovered;
  died_ += round.died;
  flushes_ += round.flushed ? 1 : 0;
  fenced_ += round.fenced ? 1 : 0;
  outages_ += round.down ? 1 : 0;
  const MonotonicTime now = options_.clock->now();
  const auto down = memory_->breaker.down_for(now);
  down_since_ = down ? (now - *down).time_since_epoch().count() : 0;
  if (!options_.on_round || (round.idle() && error.empty())) return;
  try {
    options_.on_round(round, error);
  } catch (...) {  // whatever it is: who only looks on stops no work
  }
}

void Worker::run(const std::stop_token& stop) {
  // An own condition variable would miss the doorbell; the callback turns a stop into a ring.
  const std::stop_callback wake(stop, [this] {
    if (log_.doorbell != nullptr) log_.doorbell->interrupt();
  });
  while (!stop.stop_requested()) {
    std::chrono::nanoseconds length = options_.poll_interval;
    try {
      const WorkerRound round = look(stop);
      count(round, last_error_);
      failures_ = 0;
      if (round.down) {  // doorbells tell nothing of it
        sleep_unless_stopped(memory_->breaker.pause(options_.clock->now()), stop);
        continue;
      }
      if (!round.idle()) continue;
      if (round.next_due) length = std::min<std::chrono::nanoseconds>(length, *round.next_due);
      if (log_.doorbell != nullptr)
        log_.doorbell->wait(length);
      else
        sleep_unless_stopped(length, stop);
    } catch (const std::exception& failure) {
      failed(failure);
      sleep_unless_stopped(options_.retry.pause(++failures_, random_u64()), stop);
    }
  }
  release();
}

void Worker::release() {
  try {
    log_.claims.release(applier_.name(), owner_);
  } catch (const std::exception& failure) {  // the lease ends by itself
    failed(failure);
  }
}

void Worker::failed(const std::exception& failure) {
  ++lost_rounds_;
  last_error_ = failure.what();
  count({}, last_error_);
}

std::chrono::nanoseconds Worker::silent_for() const noexcept {
  const std::int64_t since = memory_->step;
  if (since == 0) return std::chrono::nanoseconds(0);
  return options_.clock->now().time_since_epoch() - std::chrono::nanoseconds(since);
}

WorkerStats Worker::stats() const {
  WorkerStats stats;
  stats.claimed = claimed_;
  stats.applied = applied_;
  stats.retried = retried_;
  stats.malformed = malformed_;
  stats.left = left_;
  stats.recovered = recovered_;
  stats.died = died_;
  stats.claims = claims_;
  stats.flushes = flushes_;
  stats.fenced = fenced_;
  stats.outages = outages_;
  stats.failures = lost_rounds_;
  stats.standby = standby_;
  if (const std::int64_t since = down_since_; since != 0)
    stats.down = options_.clock->now().time_since_epoch() - std::chrono::nanoseconds(since);
  stats.silent = silent_for();
  return stats;
}

}  // namespace querymark

#include "querymark/feed/feed_log.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "querymark/support/error.hpp"
#include "querymark/support/time_span.hpp"

namespace querymark {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// Between two looks for an answer: it comes within milliseconds, or a worker is not there.
constexpr nanoseconds kFirstPause = milliseconds(1);
constexpr nanoseconds kLongestPause = milliseconds(20);

}  // namespace

FeedLog::FeedLog(FeedName name, std::unique_ptr<FeedReader> reader, FeedLogOptions options)
    : reader_(std::move(reader)), options_(std::move(options)), follower_(std::move(name)) {}

FeedLog::~FeedLog() {
  try {
    reader_->leave(id_);
  } catch (const std::exception&) {
    return;  // workers forget it when it has been silent for long enough
  }
}

FeedAsk FeedLog::new_ask(const std::optional<Cursor>& cursor, MonotonicTime now) {
  asked_ = now;
  return {.follower = id_,
          .nonce = follower_.ask(now),
          .lease = lease_for(options_.max_lag),
          .cursor = cursor};
}

// All pages that are there, added to what was taken before.
void FeedLog::add_page(FeedTaken& sum, std::optional<FeedAsk> ask, bool urgent) {
  for (bool more = true; more;) {
    FeedRequest request{.after = follower_.place()};
    if (ask) request.ask = {ask->follower, encode_ask(*ask)};
    ask.reset();
    request.urgent = std::exchange(urgent, false);
    const FeedPage page = reader_->read(request);
    more = page.more;
    FeedTaken taken = follower_.take(sum.upto, page);
    if (taken.status != TailStatus::ok && sum.status != TailStatus::history_changed)
      sum.status = taken.status;
    if (sum.status == TailStatus::ok)
      sum.rows.insert(sum.rows.end(), std::make_move_iterator(taken.rows.begin()),
                      std::make_move_iterator(taken.rows.end()));
    else
      sum.rows.clear();
    sum.upto = std::move(taken.upto);
    if (taken.as_of) sum.as_of = std::max(sum.as_of.value_or(*taken.as_of), *taken.as_of);
    sum.answered = std::max(sum.answered, taken.answered);
  }
}

FeedTaken FeedLog::follow(const std::optional<Cursor>& from, bool current) {
  FeedTaken sum{.status = TailStatus::ok, .rows = {}, .upto = from, .as_of = std::nullopt};
  const MonotonicTime began = options_.clock->now();
  follower_.begin_look();
  if (!current) {
    const bool due = !asked_ || began - *asked_ >= options_.asks_apart;
    add_page(sum, due ? std::optional(new_ask(from, began)) : std::nullopt, false);
    return sum;
  }
  const auto deadline = std::chrono::steady_clock::now() + options_.answer_timeout;
  const FeedAsk ask = new_ask(from, began);
  const std::uint64_t asked = follower_.questions();
  add_page(sum, ask, true);
  for (nanoseconds pause = kFirstPause; sum.answered < asked;) {
    if (std::chrono::steady_clock::now() >= deadline)
      throw Error("no worker hands on the log: none has answered in time",
                  {.retryable = true, .native_code = "unanswered"});
    reader_->await(pause);
    pause = std::min(2 * pause, kLongestPause);
    add_page(sum, std::nullopt, false);
  }
  return sum;
}

Cursor FeedLog::now() {
  const MutexLock lock(mutex_);
  const FeedPlace place = follower_.place();
  try {
    return *follow(std::nullopt, true).upto;
  } catch (...) {  // goes on
    follower_.return_to(place);
    throw;
  }
}

Cursor FeedLog::retained() {
  const MutexLock lock(mutex_);
  history_.reset();
  if (!follower_.began()) return {};
  try {
    history_ = history_before(*follower_.began(), reader_->buckets());
  } catch (const Error&) {  // older values are misses
    return {};
  }
  return history_ ? history_->from : Cursor{};
}

TailPage FeedLog::history(const TailRequest& request) {
  TailPage page{.status = TailStatus::pruned, .rows = {}, .upto = *request.upto};
  if (!history_ || history_->from != request.from) return page;
  page.status = TailStatus::ok;
  page.rows = std::move(history_->rows);
  page.floor = history_->from.snapshot.limit();
  history_.reset();
  return page;
}

TailPage FeedLog::read(const TailRequest& request) {
  const MutexLock lock(mutex_);
  if (request.upto) return history(request);
  const FeedPlace place = follower_.place();
  FeedTaken taken;
  try {
    taken = follow(request.from, request.current);
  } catch (...) {  // what was taken meanwhile was not applied; goes on
    follower_.return_to(place);
    throw;
  }
  gaps_ = follower_.gaps();
  foreign_ = follower_.foreign();
  if (taken.status == TailStatus::history_changed && options_.on_history_change)
    options_.on_history_change();
  TailPage page{
      .status = taken.status, .rows = std::move(taken.rows), .upto = *std::move(taken.upto)};
  page.floor = page.upto.snapshot.limit();
  page.as_of = taken.as_of;
  return page;
}

bool FeedLog::holds(const Receipt& /*receipt*/) {
  throw Error("a feed does not tell what became of a write: ask the database");
}

}  // namespace querymark

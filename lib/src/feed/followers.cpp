#include "querymark/feed/followers.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace querymark {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBeatsApart{1500};

}  // namespace

Followers::Followers(Subscribers& subscribers, const Clock& clock)
    : subscribers_(subscribers),
      clock_(clock),
      self_(SubscriberEntry::of_process(lease_for({}))),
      began_(clock.now()) {
  self_.application += " (followers)";
}

Followers::~Followers() {
  if (!entered_) return;
  try {
    subscribers_.leave(self_.id);
  } catch (const std::exception&) {
    return;  // the row ends by itself
  }
}

bool Followers::all_have_begun(MonotonicTime now) const {
  return now - began_ >= self_.lease && std::ranges::all_of(known_, [](const auto& each) {
           return each.second.ask.cursor.has_value();
         });
}

std::optional<Cursor> Followers::least() const {
  std::optional<Cursor> least;
  for (const auto& [id, known] : known_) {
    const Cursor& each = *known.ask.cursor;
    if (!least) {
      least = each;
    } else if (least->epoch != each.epoch) {
      return std::nullopt;
    } else {
      least->snapshot = least->snapshot.intersected(each.snapshot);
    }
  }
  return least;
}

// Under an id of its own each time: what others have seen of the old row says nothing of this one.
void Followers::enter() {
  const SubscriberId old = self_.id;
  self_.id = SubscriberId::random();
  subscribers_.enter(self_);
  told_.reset();
  // Afterwards: at no moment there is none.
  if (std::exchange(entered_, true)) subscribers_.leave(old);
}

void Followers::report(MonotonicTime now) {
  const bool begun = all_have_begun(now);
  const std::optional<Cursor> cursor = begun ? least() : std::nullopt;
  if (begun && known_.empty()) {
    if (entered_) subscribers_.leave(self_.id);
    entered_ = false;
    return;
  }
  const bool due = now - told_at_ >= kBeatsApart;
  if (!entered_ || (!cursor && (told_ || due))) {
    enter();
    told_at_ = now;
  }
  if (!cursor || (!due && told_ && *told_ == *cursor)) return;
  if (!subscribers_.beat(self_.id, *cursor).known) {
    enter();
    static_cast<void>(subscribers_.beat(self_.id, *cursor));
  }
  told_ = cursor;
  told_at_ = now;
}

std::vector<FeedAsk> Followers::saw(std::span<const FeedAsk> asks) {
  const MonotonicTime now = clock_.now();
  for (const FeedAsk& ask : asks) {
    Known& known = known_[ask.follower];
    if (known.since != MonotonicTime{} && known.ask == ask) continue;
    known = {ask, now};
    self_.lease = std::max(self_.lease, ask.lease);
  }
  std::vector<FeedAsk> gone;
  std::erase_if(known_, [&](const auto& each) {
    const Known& known = each.second;
    if (now - known.since < std::max(known.ask.lease, lease_for({}))) return false;
    gone.push_back(known.ask);
    return true;
  });
  report(now);
  return gone;
}

}  // namespace querymark

#include "heartbeats.hpp"

#include <algorithm>

namespace querymark {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr milliseconds kLongestInterval{5000};
constexpr unsigned kCountEvery = 10;
// Processes of a fleet start together, and the first of them found few others.
constexpr unsigned kYoung = 4;

}  // namespace

Heartbeats::Heartbeats(Subscribers* port, nanoseconds max_lag) : port_(port) {
  if (port_ != nullptr) self_ = SubscriberEntry::of_process(lease_for(max_lag));
}

nanoseconds Heartbeats::patience() const noexcept {
  return port_ == nullptr ? nanoseconds::max() : nanoseconds(self_.lease) / 10 * 8;
}

void Heartbeats::enter(MonotonicTime now) {
  if (port_ == nullptr) return;
  port_->enter(self_);
  entered_ = true;
  acknowledged_ = now;
  next_ = now;  // the first look tells where it stands
  beats_ = 0;
}

std::optional<Heartbeat> Heartbeats::due(MonotonicTime now) noexcept {
  if (port_ == nullptr || !entered_ || now < next_) return std::nullopt;
  return Heartbeat{.id = self_.id, .count_live = beats_ < kYoung || beats_ % kCountEvery == 0};
}

void Heartbeats::take(const Beaten& beaten, MonotonicTime began) noexcept {
  entered_ = beaten.known;
  if (beaten.live) live_.store(std::max<std::size_t>(*beaten.live, 1), std::memory_order_relaxed);
  if (!entered_) return;
  ++beats_;
  acknowledged_ = began;
  next_ = began + std::min<nanoseconds>(self_.lease / 6, kLongestInterval);
}

void Heartbeats::beat(const Cursor& cursor, MonotonicTime now) {
  if (port_ != nullptr && entered_) take(port_->beat(self_.id, cursor), now);
}

void Heartbeats::leave() {
  if (port_ != nullptr && entered_) port_->leave(self_.id);
  entered_ = false;
}

MonotonicTime Heartbeats::trusted_until() const noexcept {
  if (port_ == nullptr) return MonotonicTime::max();
  return entered_ ? detail::after(acknowledged_, patience()) : MonotonicTime::min();
}

}  // namespace querymark

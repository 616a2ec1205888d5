#pragma once  // For writers of ports, and who waits for subscribers.

#include <map>
#include <vector>

#include "querymark/log/subscribers.hpp"
#include "querymark/support/clock.hpp"

namespace querymark {

/// Tells the living subscribers from the dead, and removes these. Dead is whose beat has stood still
/// for its lease by this process's own clock: a database's clock may leap. So a reaper that has just
/// begun takes everybody for alive. For one thread at a time.
class Reaper {
 public:
  /// Both must outlive it.
  explicit Reaper(Subscribers& subscribers, const Clock& clock = system_clock())
      : subscribers_(subscribers), clock_(clock) {}

  /// Looks at all rows. Returns those that are alive; throws what the port throws.
  [[nodiscard]] std::vector<SubscriberRow> look();

 private:
  struct Seen {
    std::uint64_t beat = 0;
    MonotonicTime since;
  };
  Subscribers& subscribers_;
  const Clock& clock_;
  std::map<SubscriberId, Seen> seen_;
};

}  // namespace querymark

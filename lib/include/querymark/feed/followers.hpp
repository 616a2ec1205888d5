#pragma once  // For writers of ports.

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "querymark/feed/certificate.hpp"
#include "querymark/log/subscribers.hpp"
#include "querymark/support/clock.hpp"

namespace querymark {

/// Stands in for a feed's followers among the subscribers of the database, as one row: whoever waits
/// for all waits for them, too. The row's cursor is the least of theirs, and none while one of them
/// has yet to begin.
///
/// A follower counts until it has asked nothing new for its lease by this process's clock, whatever
/// became of its question meanwhile: a server that loses its data must not make it forgotten. So
/// there is no cursor for a lease after the start either: there may be followers that nobody knows.
/// Not thread-safe.
class Followers {
 public:
  /// Both must outlive it.
  explicit Followers(Subscribers& subscribers, const Clock& clock = system_clock());
  Followers(const Followers&) = delete;
  Followers& operator=(const Followers&) = delete;
  /// Takes the row back, as far as the database can be asked.
  ~Followers();

  /// These ask now. When it returns, the database knows of each that is new. Returns the last
  /// questions of those whose lease has ended. Throws what the port throws.
  std::vector<FeedAsk> saw(std::span<const FeedAsk> asks);

  [[nodiscard]] std::size_t count() const noexcept { return known_.size(); }

 private:
  struct Known {
    FeedAsk ask;
    MonotonicTime since;  // when this question was first seen
  };
  [[nodiscard]] bool all_have_begun(MonotonicTime now) const;
  // The least cursor; nothing: followers are in different histories.
  [[nodiscard]] std::optional<Cursor> least() const;
  void report(MonotonicTime now);
  void enter();

  Subscribers& subscribers_;
  const Clock& clock_;
  SubscriberEntry self_;
  MonotonicTime began_;
  std::map<SubscriberId, Known> known_;
  bool entered_ = false;
  std::optional<Cursor> told_;
  MonotonicTime told_at_;
};

}  // namespace querymark

#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "querymark/mark/snapshot.hpp"

// For writers of ports: where a database keeps who follows its log.

namespace querymark {

/// A subscriber between its start and its end: random, so nobody takes another's row over.
struct SubscriberId {
  std::uint64_t value = 0;
  [[nodiscard]] static SubscriberId random();
  friend auto operator<=>(const SubscriberId&, const SubscriberId&) = default;
};

/// How long others wait for a subscriber of this max_lag that is silent: two lags, since at least three
/// heartbeats a lag are sent, and no less than ten seconds.
[[nodiscard]] std::chrono::milliseconds lease_for(std::chrono::nanoseconds max_lag);

/// What a subscriber says of itself when it enters.
struct SubscriberEntry {
  SubscriberId id;
  /// It stops trusting what it holds this long after its last heartbeat began, so whoever has seen
  /// no beat for that long need not wait for it.
  std::chrono::milliseconds lease{};
  // For people:
  std::string application;
  std::string host;
  std::int64_t pid = 0;
  std::string version;  ///< Of the library.

  /// Of this process; `application` is the program's name.
  [[nodiscard]] static SubscriberEntry of_process(std::chrono::milliseconds lease);
  /// "shop on web1, pid 7"
  [[nodiscard]] std::string for_people() const;
};

/// A subscriber as its row says.
struct SubscriberRow {
  SubscriberEntry entry;
  std::uint64_t beat = 0;  ///< Differs after each heartbeat.
  /// Up to where it had applied the log at its last heartbeat. Nothing: it has yet to say so.
  std::optional<Cursor> cursor;
  /// Since its last heartbeat by the database's clock, which may leap: for people, and for pruning.
  std::chrono::milliseconds age{};
};

/// What a heartbeat came to.
struct Beaten {
  /// False: its row is gone (a reaper thought it dead, or the server has crashed): nobody waits for
  /// it any more, so it enters anew before it trusts anything.
  bool known = false;
  /// How many subscribers the database has, of all namespaces; where it was asked for.
  std::optional<std::size_t> live;
};

/// Those who follow the log of one namespace. Rows survive neither a crash of the server nor a loss
/// of the file they are in: then each heartbeat finds nothing, and its subscriber enters again.
/// Implementations are thread-safe, may block on I/O, and throw Error.
class Subscribers {
 public:
  virtual ~Subscribers() = default;

  /// Committed when it returns, so whoever lists later finds it. Replaces a row of the same id.
  virtual void enter(const SubscriberEntry& entry) = 0;
  /// A heartbeat on its own, when none can travel with a look at the log (TailRequest::beat).
  [[nodiscard]] virtual Beaten beat(SubscriberId id, const Cursor& cursor) = 0;
  /// It follows no more. No effect when there is no such row.
  virtual void leave(SubscriberId id) = 0;

  /// All of the namespace, in the order of their ids.
  [[nodiscard]] virtual std::vector<SubscriberRow> subscribers() = 0;
  /// Removes a row whose beat is still the one that was `seen`: it may have beaten meanwhile.
  /// False: it has, or is gone.
  virtual bool reap(SubscriberId id, std::uint64_t seen) = 0;
  /// Asks all of them to say at once how far they are. A hint, like every ring.
  virtual void ask_report() = 0;
};

}  // namespace querymark

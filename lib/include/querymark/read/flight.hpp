#pragma once

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <exception>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>

#include "querymark/mark/marks.hpp"
#include "querymark/memory/entry.hpp"
#include "querymark/read/load_budget.hpp"
#include "querymark/read/read_caller.hpp"
#include "querymark/support/mutex.hpp"

// For writers of drivers: how callers of one query share a load.

namespace querymark {

class FlightTable;
class FlightWaiter;

/// Who is to be told that a flight may have something for its waiter. A thread that sleeps is one
/// kind (`blocking_driver.cpp`), a handler that an event loop runs is another. Serves one waiter at
/// a time, and outlives it or its next look (`FlightWaiter::take`).
class FlightWaker : public boost::intrusive::list_base_hook<> {
 public:
  FlightWaker() = default;
  FlightWaker(const FlightWaker&) = delete;
  FlightWaker& operator=(const FlightWaker&) = delete;
  /// Called at most once for each look that left it behind, on the thread that moves the flight and
  /// under the flight's lock: it notes or posts that a look is due, and returns. It must neither
  /// look itself, nor let go of the waiter, nor block on a thread that does either.
  virtual void wake() noexcept = 0;
  /// The flights' own: the flight has ended, and has called this one, which it touches no more.
  std::atomic<bool> let_go{false};

 protected:
  ~FlightWaker() = default;
};

/// One load in flight that several callers share. See flight.cpp for its states.
class Flight {
 public:
  enum class State : std::uint8_t { queued, loading, done, failed, abandoned };

  /// Loading, by `leader`.
  Flight(const Stamp& stamp, CallerId leader)
      : state_(State::loading), stamp_(stamp), leader_(leader) {}
  /// Queued.
  Flight() = default;

 private:
  friend class FlightTable;
  friend class FlightLeader;
  friend class FlightWaiter;
  using Wakers = boost::intrusive::list<FlightWaker, boost::intrusive::constant_time_size<false>>;

  void wake_one() noexcept QUERYMARK_REQUIRES(mutex_);
  void wake_all() noexcept QUERYMARK_REQUIRES(mutex_);

  Mutex mutex_;
  State state_ QUERYMARK_GUARDED_BY(mutex_) = State::queued;
  Stamp stamp_ QUERYMARK_GUARDED_BY(mutex_){};
  CallerId leader_ QUERYMARK_GUARDED_BY(mutex_){};
  // Have joined and not left. Those of them that sleep are in wakers_, in the order in which they
  // fell asleep.
  std::size_t waiters_ QUERYMARK_GUARDED_BY(mutex_) = 0;
  Wakers wakers_ QUERYMARK_GUARDED_BY(mutex_);
  EntryRef value_ QUERYMARK_GUARDED_BY(mutex_);
  std::exception_ptr error_ QUERYMARK_GUARDED_BY(mutex_);
  // By the table's mutex: whether it has a permit, and where it waits for one.
  bool permit_ = false;
  std::optional<std::list<std::shared_ptr<Flight>>::iterator> place_{};
};

/// The right and the duty to end a load: complete, fail, or (by its destruction) leave it to a
/// waiter. Belongs to a caller, not to a thread.
class FlightLeader {
 public:
  FlightLeader(FlightLeader&& other) noexcept = default;
  FlightLeader& operator=(FlightLeader&&) = delete;
  ~FlightLeader();

  /// The stamp of the load: taken when the flight began, before the database is asked.
  [[nodiscard]] const Stamp& stamp() const noexcept { return stamp_; }
  /// A place among the waiters of its own flight, for who has somebody else load.
  [[nodiscard]] FlightWaiter wait_too(const Marks& marks, CallerId caller) const;
  /// Hands the value to all waiters. Store it first: a caller that comes later looks in memory.
  void complete(EntryRef value) noexcept;
  /// Hands the error to all waiters.
  void fail(std::exception_ptr error) noexcept;

 private:
  friend class FlightTable;
  friend class FlightWaiter;
  FlightLeader(FlightTable& table, std::string key, std::shared_ptr<Flight> flight, Stamp stamp)
      : table_(&table), key_(std::move(key)), flight_(std::move(flight)), stamp_(stamp) {}
  void end(Flight::State state, EntryRef value, std::exception_ptr error) noexcept;

  FlightTable* table_;
  std::string key_;
  std::shared_ptr<Flight> flight_;  // null once ended or moved from
  Stamp stamp_;
};

/// What a waiter comes to: a value, an error, or the lead.
using FlightResult = std::variant<EntryRef, std::exception_ptr, FlightLeader>;

/// A place in the queue of a flight. Leaving it (destruction) at any moment is safe: no waker of
/// its own is called afterwards, and a lead that was meant for it goes to the next.
class FlightWaiter {
 public:
  FlightWaiter(FlightWaiter&& other) noexcept = default;
  FlightWaiter& operator=(FlightWaiter&&) = delete;
  ~FlightWaiter();
  /// A look at the flight, which never waits for it. Returns once what has come of it; this waiter
  /// has then left. Returns nothing while there is nothing for this waiter; then `waker`, which
  /// takes the place of the one before, is called when another look is worth while. Null: nobody
  /// is.
  [[nodiscard]] std::optional<FlightResult> take(FlightWaker* waker);
  /// Nobody else has asked for the load before: it would lead, if there were a permit.
  [[nodiscard]] bool first() const noexcept { return first_; }

 private:
  friend class FlightTable;
  friend class FlightLeader;
  FlightWaiter(FlightTable& table, const Marks& marks, std::string key,
               std::shared_ptr<Flight> flight, CallerId caller, bool first = false)
      : table_(&table),
        marks_(&marks),
        key_(std::move(key)),
        flight_(std::move(flight)),
        caller_(caller),
        first_(first) {}
  void take_back_waker() noexcept QUERYMARK_REQUIRES(flight_->mutex_);
  // Of a flight that has ended, which nobody changes any more.
  [[nodiscard]] FlightResult outcome() const QUERYMARK_UNCHECKED;

  FlightTable* table_;
  const Marks* marks_;
  std::string key_;
  std::shared_ptr<Flight> flight_;  // null once it has left or was moved from
  CallerId caller_;
  bool first_;
  FlightWaker* waker_ = nullptr;  // of the last look; in the flight's list unless it was called
};

/// The caller's own load of this key has called for it again: joining would wait for itself.
struct FlightReentrant {};
/// In flight, and the caller leads another load: it may not wait (see LeadingScope).
struct FlightBusy {};
/// There is no permit, and too many wait for one.
struct FlightRefused {};
using FlightEntry =
    std::variant<FlightLeader, FlightWaiter, FlightReentrant, FlightBusy, FlightRefused>;

/// The loads in flight of one database, within its budget. Thread-safe; one mutex, taken on misses only.
class FlightTable {
 public:
  explicit FlightTable(LoadBudget budget = {}) noexcept : budget_(budget) {}

  /// Leads a new flight, or joins the one in flight if none of `targets` was invalidated since it
  /// began; a flight that may not be joined is replaced, and its end does not touch the newer one.
  /// Who leads a load already joins none. Of up to `loads` flights of one key each has its own leader.
  /// Without a permit nobody leads: then all wait for one, and who is woken with it leads.
  [[nodiscard]] FlightEntry enter(const KeyView& key, const Marks& marks,
                                  std::span<const TargetId> targets, const ReadCaller& caller,
                                  std::size_t loads = 1);
  /// A permit for who is to lead several loads that are one, as the lead of a load that nobody shares;
  /// it is given back with that. Nothing: none is needed.
  [[nodiscard]] std::optional<FlightEntry> reserve(const Marks& marks, const ReadCaller& caller);
  [[nodiscard]] std::size_t size() const;
  /// That wait for a permit.
  [[nodiscard]] std::size_t queued() const;

 private:
  friend class FlightLeader;
  friend class FlightWaiter;
  void remove(const std::string& key, const std::shared_ptr<Flight>& flight) noexcept;
  void remove_unused(const std::string& key, const std::shared_ptr<Flight>& flight) noexcept;
  void erase(const std::string& key, const std::shared_ptr<Flight>& flight) noexcept
      QUERYMARK_REQUIRES(mutex_);
  [[nodiscard]] bool needs_permit(const ReadCaller& caller) const noexcept {
    return budget_.loads > 0 && !caller.leads && !caller.permitted;
  }
  // Neither a permit nor a place in the queue is left.
  [[nodiscard]] bool is_full(const ReadCaller& caller) const noexcept QUERYMARK_REQUIRES(mutex_) {
    return needs_permit(caller) && permits_ >= budget_.loads && queue_.size() >= budget_.queue;
  }
  [[nodiscard]] FlightEntry begin(std::string name, bool listed, const Marks& marks,
                                  const ReadCaller& caller) QUERYMARK_REQUIRES(mutex_);
  void give_back(Flight& flight) noexcept QUERYMARK_REQUIRES(mutex_);

  const LoadBudget budget_;
  mutable Mutex mutex_;  // before a flight's own
  std::unordered_multimap<std::string, std::shared_ptr<Flight>> flights_
      QUERYMARK_GUARDED_BY(mutex_);
  std::size_t permits_ QUERYMARK_GUARDED_BY(mutex_) = 0;  // in use
  std::list<std::shared_ptr<Flight>> queue_ QUERYMARK_GUARDED_BY(mutex_);
};

}  // namespace querymark

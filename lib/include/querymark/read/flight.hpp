#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>

#include "querymark/mark/marks.hpp"
#include "querymark/memory/entry.hpp"

namespace querymark {

class FlightTable;

/// One load in flight that several callers share. See flight.cpp for its states.
class Flight {
 public:
  enum class State : std::uint8_t { loading, done, failed, abandoned };

 private:
  friend class FlightTable;
  friend class FlightLeader;
  friend class FlightWaiter;

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  State state_ = State::loading;
  Stamp stamp_;
  std::thread::id leader_;
  std::size_t waiters_ = 0;
  EntryRef value_;
  std::exception_ptr error_;
};

/// The right and the duty to end a load: complete, fail, or (by its destruction) leave it to a
/// waiter.
class FlightLeader {
 public:
  FlightLeader(FlightLeader&& other) noexcept = default;
  FlightLeader& operator=(FlightLeader&&) = delete;
  ~FlightLeader();

  /// The stamp of the load: taken when the flight began, before the database is asked.
  [[nodiscard]] const Stamp& stamp() const noexcept { return stamp_; }
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

/// What a waiter comes to: a value, an error, the lead, or its deadline.
struct FlightTimeout {};
using FlightResult = std::variant<EntryRef, std::exception_ptr, FlightLeader, FlightTimeout>;

/// A place in the queue of a flight.
class FlightWaiter {
 public:
  FlightWaiter(FlightWaiter&& other) noexcept = default;
  FlightWaiter& operator=(FlightWaiter&&) = delete;
  ~FlightWaiter();
  /// Blocks until the flight ends, its leader dies and this waiter is the one promoted, or
  /// `deadline`.
  [[nodiscard]] FlightResult wait(std::optional<std::chrono::steady_clock::time_point> deadline);

 private:
  friend class FlightTable;
  FlightWaiter(FlightTable& table, const Marks& marks, std::string key,
               std::shared_ptr<Flight> flight)
      : table_(&table), marks_(&marks), key_(std::move(key)), flight_(std::move(flight)) {}

  FlightTable* table_;
  const Marks* marks_;
  std::string key_;
  std::shared_ptr<Flight> flight_;
};

/// While it lives, its thread runs a load that others may wait for, so reads inside that load wait
/// for nobody else's: loads that ask for each other's keys, in however long a circle, would never
/// end. Nests; ends on the thread where it began. A loader that reads on other threads and waits
/// for them makes one on each.
class LeadingScope {
 public:
  LeadingScope() noexcept;
  LeadingScope(const LeadingScope&) = delete;
  LeadingScope& operator=(const LeadingScope&) = delete;
  ~LeadingScope();
  /// True inside such a load, of any key of any database.
  [[nodiscard]] static bool active() noexcept;
};

/// The caller's own load of this key has called for it again: joining would wait for itself.
struct FlightReentrant {};
/// In flight, and the caller leads another load: it may not wait (see LeadingScope).
struct FlightBusy {};
using FlightEntry = std::variant<FlightLeader, FlightWaiter, FlightReentrant, FlightBusy>;

/// The loads in flight of one database. Thread-safe; one mutex, taken on misses only.
class FlightTable {
 public:
  /// Leads a new flight, or joins the one in flight if none of `targets` was invalidated since it
  /// began; a flight that may not be joined is replaced, and its end does not touch the newer one.
  /// Who leads a load already joins none.
  [[nodiscard]] FlightEntry enter(const KeyView& key, const Marks& marks,
                                  std::span<const TargetId> targets);
  [[nodiscard]] std::size_t size() const;

 private:
  friend class FlightLeader;
  friend class FlightWaiter;
  void remove(const std::string& key, const std::shared_ptr<Flight>& flight) noexcept;
  void remove_abandoned(const std::string& key, const std::shared_ptr<Flight>& flight) noexcept;

  mutable std::mutex mutex_;  // guards flights_; taken before a flight's own
  std::unordered_map<std::string, std::shared_ptr<Flight>> flights_;
};

}  // namespace querymark

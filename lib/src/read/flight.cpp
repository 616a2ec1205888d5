#include "querymark/read/flight.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

// States of a flight, and who moves it:
//
//   queued    -> abandoned       whoever gives a permit back, to the first in the queue; one sleeper is
//                                woken
//   loading   -> done | failed   its leader, once; all sleepers are woken
//   loading   -> abandoned       its leader's destructor; one sleeper is woken
//   abandoned -> loading         the first waiter that looks: it leads now, with a new stamp
//
// A waiter is awake (it will look, or leave) or asleep (its waker stands in the flight's list). It
// falls asleep by a look that finds nothing for it, and whoever wakes it takes its waker out of the
// list. Both happen under the flight's mutex, as does every change of state, so no change is missed
// between a look and the sleep.
//
// An abandoned flight that has waiters always has one awake: the leader that dies wakes a sleeper,
// and a waiter that leaves instead of taking the lead wakes the next. A sleeper woken in vain
// (another took the lead) looks, finds the flight loading, and sleeps again.
//
// Wakers are called under the flight's mutex. So a waiter that has left, which takes that mutex,
// will not be called any more, and what it was to be woken with may go. Only whoever the end of a flight
// has let go, after its waker has returned, looks and leaves without the mutex: what came of the flight
// stands fast by then, and a thousand threads that were woken need not queue for what their waker holds.
//
// A flight without waiters is removed from the table, and from the queue, instead of being abandoned to
// nobody. A flight is in the table from its birth until it ends, unless a newer one has replaced it;
// removal compares identity.
//
// Where loads have a budget, a flight that nobody leads for want of a permit is queued, and all who ask for
// it wait. The permit is the flight's: it stays when the lead goes to a waiter, and is given back when
// the flight leaves the table. So nobody waits for a permit while leading, the stamp is taken after the
// wait, and while there is a queue all permits are in use.
//
// A caller joins only if no target of its own was invalidated since the flight's stamp was taken, or if
// that is still to come, since nobody leads.
// What is invalidated after that, waiters find out themselves: they judge the value's stamp when
// they get it.
//
// Nobody waits for a flight while leading one, so no circle of waiting can close: whoever is waited
// for waits for no one. Who leads is told by the caller's id, which the loads of a caller hand on
// to their own reads, whatever threads they run on (LeadingScope).
//
// Lock order: the table's mutex, then a flight's, then a waker's own. A waiter that takes the lead
// takes its new stamp under the flight's mutex, before it asks the database; joiners that compare
// against it hold the same mutex.

namespace querymark {
namespace {

// The prefix is interned and alive as long as the call: its address stands for its bytes.
std::string flight_key(const KeyView& key) {
  const auto address = reinterpret_cast<std::uintptr_t>(key.prefix);
  std::string bytes(sizeof(address), '\0');
  std::memcpy(bytes.data(), &address, sizeof(address));
  return bytes.append(key.parameters);
}

}  // namespace

void Flight::wake_one() noexcept {
  if (wakers_.empty()) return;
  FlightWaker& waker = wakers_.front();
  wakers_.pop_front();
  waker.wake();
}

void Flight::wake_all() noexcept {
  while (!wakers_.empty()) {
    FlightWaker& waker = wakers_.front();
    wake_one();
    waker.let_go.store(true, std::memory_order_release);
  }
}

FlightEntry FlightTable::enter(const KeyView& key, const Marks& marks,
                               std::span<const TargetId> targets, const ReadCaller& caller,
                               std::size_t loads) {
  std::string name = flight_key(key);
  const MutexLock lock(mutex_);
  std::shared_ptr<Flight> joinable;
  std::size_t under_way = 0;
  auto [at, end] = flights_.equal_range(name);
  while (at != end) {
    const std::shared_ptr<Flight> kept = at->second;  // longer than its lock
    Flight& flight = *kept;
    const MutexLock flight_lock(flight.mutex_);
    if (flight.state_ == Flight::State::loading && flight.leader_ == caller.id)
      return FlightReentrant{};
    // Of a load that nobody leads yet the stamp is still to come.
    if (flight.state_ == Flight::State::loading &&
        !marks.unchanged_since(flight.stamp_.generation, targets)) {
      at = flights_.erase(at);
      continue;
    }
    // Beside one that waits for its turn there is no use in another.
    under_way += flight.state_ == Flight::State::queued ? loads : 1;
    joinable = kept;
    ++at;
  }
  // Where there is no room for another load, this one is better than none.
  if (under_way < loads && !(joinable && is_full(caller)))
    return begin(std::move(name), true, marks, caller);
  if (caller.leads) return FlightBusy{};
  const MutexLock flight_lock(joinable->mutex_);
  ++joinable->waiters_;
  return FlightWaiter(*this, marks, std::move(name), joinable, caller.id);
}

FlightEntry FlightTable::begin(std::string name, bool listed, const Marks& marks,
                               const ReadCaller& caller) {
  const bool takes_permit = needs_permit(caller);
  const bool queues = takes_permit && permits_ >= budget_.loads;
  if (is_full(caller)) return FlightRefused{};
  const Stamp stamp = marks.begin_load();
  std::list<std::shared_ptr<Flight>> place;
  auto flight = queues ? std::make_shared<Flight>() : std::make_shared<Flight>(stamp, caller.id);
  if (queues) place.push_back(flight);
  if (listed) flights_.emplace(name, flight);
  if (queues) {
    const MutexLock flight_lock(flight->mutex_);
    flight->waiters_ = 1;
    flight->place_ = place.begin();
    queue_.splice(queue_.end(), place);
    return FlightWaiter(*this, marks, std::move(name), flight, caller.id, true);
  }
  if (takes_permit) {
    flight->permit_ = true;
    ++permits_;
  }
  return FlightLeader(*this, std::move(name), std::move(flight), stamp);
}

std::optional<FlightEntry> FlightTable::reserve(const Marks& marks, const ReadCaller& caller) {
  if (!needs_permit(caller)) return std::nullopt;
  const MutexLock lock(mutex_);
  return begin({}, false, marks, caller);
}

std::size_t FlightTable::size() const {
  const MutexLock lock(mutex_);
  return flights_.size();
}

std::size_t FlightTable::queued() const {
  const MutexLock lock(mutex_);
  return queue_.size();
}

void FlightTable::erase(const std::string& key, const std::shared_ptr<Flight>& flight) noexcept {
  const auto [first, last] = flights_.equal_range(key);
  const auto found = std::find_if(first, last, [&](const auto& at) { return at.second == flight; });
  if (found != last) flights_.erase(found);
}

void FlightTable::give_back(Flight& flight) noexcept {
  if (!std::exchange(flight.permit_, false)) return;
  --permits_;
  while (permits_ < budget_.loads && !queue_.empty()) {
    const std::shared_ptr<Flight> next = std::move(queue_.front());
    queue_.pop_front();
    next->place_.reset();
    next->permit_ = true;
    ++permits_;
    const MutexLock lock(next->mutex_);  // where its last waiter is leaving, that gives it back
    next->state_ = Flight::State::abandoned;
    next->wake_one();
  }
}

void FlightTable::remove(const std::string& key, const std::shared_ptr<Flight>& flight) noexcept {
  const MutexLock lock(mutex_);
  erase(key, flight);
  give_back(*flight);
}

void FlightTable::remove_unused(const std::string& key,
                                const std::shared_ptr<Flight>& flight) noexcept {
  const MutexLock lock(mutex_);
  {
    const MutexLock flight_lock(flight->mutex_);
    // Somebody may have joined in between, and then leads.
    const bool led =
        flight->state_ != Flight::State::abandoned && flight->state_ != Flight::State::queued;
    if (led || flight->waiters_ > 0) return;
  }
  erase(key, flight);
  if (flight->place_) queue_.erase(*std::exchange(flight->place_, std::nullopt));
  give_back(*flight);
}

void FlightLeader::end(Flight::State state, EntryRef value, std::exception_ptr error) noexcept {
  const std::shared_ptr<Flight> flight = std::exchange(flight_, nullptr);
  // Out of the table first: who comes from here on finds the stored value, or loads anew.
  table_->remove(key_, flight);
  const MutexLock lock(flight->mutex_);
  flight->state_ = state;
  flight->value_ = std::move(value);
  flight->error_ = std::move(error);
  flight->wake_all();
}

FlightWaiter FlightLeader::wait_too(const Marks& marks, CallerId caller) const {
  std::string key = key_;
  const MutexLock lock(flight_->mutex_);
  ++flight_->waiters_;
  return FlightWaiter(*table_, marks, std::move(key), flight_, caller);
}

void FlightLeader::complete(EntryRef value) noexcept {
  end(Flight::State::done, std::move(value), nullptr);
}

void FlightLeader::fail(std::exception_ptr error) noexcept {
  end(Flight::State::failed, {}, std::move(error));
}

FlightLeader::~FlightLeader() {
  if (!flight_) return;
  {
    const MutexLock lock(flight_->mutex_);
    flight_->state_ = Flight::State::abandoned;
    flight_->leader_ = {};
    flight_->wake_one();
  }
  table_->remove_unused(key_, flight_);
}

std::optional<FlightResult> FlightWaiter::take(FlightWaker* waker) {
  if (waker_ != nullptr && waker_->let_go.load(std::memory_order_acquire)) {
    waker_ = nullptr;
    FlightResult result = outcome();
    flight_.reset();
    return result;
  }
  MutexLock lock(flight_->mutex_);
  take_back_waker();
  std::optional<FlightResult> result;
  switch (flight_->state_) {
    case Flight::State::queued:
    case Flight::State::loading:
      waker_ = waker;
      if (waker == nullptr) return result;
      waker->let_go.store(false, std::memory_order_relaxed);
      flight_->wakers_.push_back(*waker);
      return result;
    case Flight::State::done:
    case Flight::State::failed:
      result.emplace(outcome());
      break;
    case Flight::State::abandoned: {
      const Stamp stamp = marks_->begin_load();
      flight_->stamp_ = stamp;
      flight_->leader_ = caller_;
      flight_->state_ = Flight::State::loading;
      result.emplace(FlightLeader(*table_, std::move(key_), flight_, stamp));
      break;
    }
  }
  --flight_->waiters_;
  lock.unlock();
  flight_.reset();
  return result;
}

FlightResult FlightWaiter::outcome() const {
  if (flight_->state_ == Flight::State::failed) return flight_->error_;
  return flight_->value_;
}

void FlightWaiter::take_back_waker() noexcept {
  if (waker_ != nullptr && waker_->is_linked())
    flight_->wakers_.erase(Flight::Wakers::s_iterator_to(*waker_));
  waker_ = nullptr;
}

FlightWaiter::~FlightWaiter() {
  if (!flight_) return;
  bool orphaned = false;
  {
    const MutexLock lock(flight_->mutex_);
    take_back_waker();
    --flight_->waiters_;
    if (flight_->state_ == Flight::State::abandoned) {
      // It may be the one that was woken to lead: pass that on, or clear up.
      flight_->wake_one();
      orphaned = flight_->waiters_ == 0;
    } else if (flight_->state_ == Flight::State::queued) {
      orphaned = flight_->waiters_ == 0;
    }
  }
  if (orphaned) table_->remove_unused(key_, flight_);
}

}  // namespace querymark

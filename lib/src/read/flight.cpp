#include "querymark/read/flight.hpp"

#include <cstring>

// States of a flight, and who moves it:
//
//   loading -> done | failed    its leader, once; all waiters wake
//   loading -> abandoned        its leader's destructor; one waiter wakes
//   abandoned -> loading        that waiter, which becomes the leader with a new stamp
//
// A flight without waiters is removed from the table instead of being abandoned to nobody. A flight
// is in the table from its birth until it ends, unless a newer one has replaced it; removal
// compares identity.
//
// A caller joins only if no target of its own was invalidated since the flight's stamp was taken.
// What is invalidated after that, waiters find out themselves: they judge the value's stamp when
// they get it.
//
// Nobody waits for a flight while leading one, so no circle of waiting can close: whoever is waited
// for waits for no one (LeadingScope).
//
// Lock order: the table's mutex, then a flight's. A promoted waiter takes its new stamp under the
// flight's mutex, before it asks the database; joiners that compare against it hold the same mutex.

namespace querymark {
namespace {

// The prefix is interned and alive as long as the call: its address stands for its bytes.
std::string flight_key(const KeyView& key) {
  std::string bytes(sizeof(key.prefix), '\0');
  std::memcpy(bytes.data(), &key.prefix, sizeof(key.prefix));
  return bytes.append(key.parameters);
}

thread_local constinit unsigned leading = 0;

}  // namespace

LeadingScope::LeadingScope() noexcept { ++leading; }
LeadingScope::~LeadingScope() { --leading; }
bool LeadingScope::active() noexcept { return leading > 0; }

FlightEntry FlightTable::enter(const KeyView& key, const Marks& marks,
                               std::span<const TargetId> targets) {
  std::string name = flight_key(key);
  const std::lock_guard lock(mutex_);
  std::shared_ptr<Flight>& slot = flights_[name];
  if (slot) {
    const std::lock_guard flight_lock(slot->mutex_);
    const bool under_way =
        slot->state_ == Flight::State::loading || slot->state_ == Flight::State::abandoned;
    if (under_way && slot->leader_ == std::this_thread::get_id()) return FlightReentrant{};
    if (under_way && marks.unchanged_since(slot->stamp_.generation, targets)) {
      if (LeadingScope::active()) return FlightBusy{};
      ++slot->waiters_;
      return FlightWaiter(*this, marks, std::move(name), slot);
    }
  }
  slot = std::make_shared<Flight>();
  slot->stamp_ = marks.begin_load();
  slot->leader_ = std::this_thread::get_id();
  return FlightLeader(*this, std::move(name), slot, slot->stamp_);
}

std::size_t FlightTable::size() const {
  const std::lock_guard lock(mutex_);
  return flights_.size();
}

void FlightTable::remove(const std::string& key, const std::shared_ptr<Flight>& flight) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = flights_.find(key);
  if (found != flights_.end() && found->second == flight) flights_.erase(found);
}

void FlightTable::remove_abandoned(const std::string& key,
                                   const std::shared_ptr<Flight>& flight) noexcept {
  const std::lock_guard lock(mutex_);
  const std::lock_guard flight_lock(flight->mutex_);
  // Somebody may have joined in between, and then leads.
  if (flight->state_ != Flight::State::abandoned || flight->waiters_ > 0) return;
  const auto found = flights_.find(key);
  if (found != flights_.end() && found->second == flight) flights_.erase(found);
}

void FlightLeader::end(Flight::State state, EntryRef value, std::exception_ptr error) noexcept {
  const std::shared_ptr<Flight> flight = std::exchange(flight_, nullptr);
  // Out of the table first: who comes from here on finds the stored value, or loads anew.
  table_->remove(key_, flight);
  const std::lock_guard lock(flight->mutex_);
  flight->state_ = state;
  flight->value_ = std::move(value);
  flight->error_ = std::move(error);
  flight->changed_.notify_all();
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
    const std::lock_guard lock(flight_->mutex_);
    flight_->state_ = Flight::State::abandoned;
    flight_->leader_ = {};
    flight_->changed_.notify_one();
  }
  table_->remove_abandoned(key_, flight_);
}

FlightResult FlightWaiter::wait(std::optional<std::chrono::steady_clock::time_point> deadline) {
  std::unique_lock lock(flight_->mutex_);
  const auto ended = [&] { return flight_->state_ != Flight::State::loading; };
  bool in_time = true;
  if (deadline)
    in_time = flight_->changed_.wait_until(lock, *deadline, ended);
  else
    flight_->changed_.wait(lock, ended);
  if (!in_time) return FlightTimeout{};
  if (flight_->state_ == Flight::State::done) return flight_->value_;
  if (flight_->state_ == Flight::State::failed) return flight_->error_;
  flight_->state_ = Flight::State::loading;
  flight_->stamp_ = marks_->begin_load();
  flight_->leader_ = std::this_thread::get_id();
  --flight_->waiters_;
  const Stamp stamp = flight_->stamp_;
  lock.unlock();
  return FlightLeader(*table_, std::move(key_), std::exchange(flight_, nullptr), stamp);
}

FlightWaiter::~FlightWaiter() {
  if (!flight_) return;
  std::shared_ptr<Flight> orphan;
  {
    const std::lock_guard lock(flight_->mutex_);
    --flight_->waiters_;
    if (flight_->state_ == Flight::State::abandoned) {
      // The promotion may have woken this waiter at its deadline: pass it on, or clear up.
      if (flight_->waiters_ > 0)
        flight_->changed_.notify_one();
      else
        orphan = flight_;
    }
  }
  if (orphan) table_->remove_abandoned(key_, orphan);
}

}  // namespace querymark

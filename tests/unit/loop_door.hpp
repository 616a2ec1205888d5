#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>
#include <future>
#include <utility>

namespace querymark::test {

// Who is about to hand something to a loop stops here until he is let go.
struct Door {
  void pass() {
    if (!closed.exchange(false)) return;
    reached.set_value();
    may.get_future().wait();
  }
  std::atomic<bool> closed = false;
  std::promise<void> reached;
  std::promise<void> may;
};

// Where there is one: before something is handed to a loop, and behind that.
struct Doors {
  Door* before = nullptr;
  Door* behind = nullptr;
};

// The executor `inner`, with doors. (Whoever posts to it asks it first not to block.)
class DoorExecutor {
 public:
  DoorExecutor(boost::asio::any_io_executor inner, Doors doors) noexcept
      : inner_(std::move(inner)), doors_(doors) {}
  template <class Function>
  void execute(Function&& function) const {
    inner_.execute(std::forward<Function>(function));
    if (doors_.behind != nullptr) doors_.behind->pass();
  }
  template <class Property>
    requires(boost::asio::can_query_v<const boost::asio::any_io_executor&, Property>)
  [[nodiscard]] decltype(auto) query(const Property& property) const {
    return boost::asio::query(inner_, property);
  }
  template <class Property>
    requires(boost::asio::can_require_v<const boost::asio::any_io_executor&, Property>)
  [[nodiscard]] DoorExecutor require(const Property& property) const {
    if (doors_.before != nullptr) doors_.before->pass();
    return {boost::asio::require(inner_, property), doors_};
  }
  template <class Property>
    requires(boost::asio::can_prefer_v<const boost::asio::any_io_executor&, Property>)
  [[nodiscard]] DoorExecutor prefer(const Property& property) const {
    return {boost::asio::prefer(inner_, property), doors_};
  }
  friend bool operator==(const DoorExecutor& one, const DoorExecutor& other) noexcept {
    return one.inner_ == other.inner_;
  }

 private:
  boost::asio::any_io_executor inner_;
  Doors doors_;
};

}  // namespace querymark::test

#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>
#include <utility>

#include "querymark/read/read_caller.hpp"

// For nobody outside: where a load runs that an event loop runs.

namespace querymark::detail {

/// The executor `inner`, but all that runs on it is part of a load (see LeadingScope). A coroutine that is
/// spawned on it goes on by it after each suspension, on whichever thread, so what it reads waits for nobody
/// else's load.
class LeadingExecutor {
 public:
  LeadingExecutor(boost::asio::any_io_executor inner, CallerId caller) noexcept
      : inner_(std::move(inner)), caller_(caller) {}

  template <class Function>
  void execute(Function&& function) const {
    inner_.execute([function = std::forward<Function>(function), caller = caller_]() mutable {
      const LeadingScope leading(caller);
      std::move(function)();
    });
  }
  template <class Property>
    requires(boost::asio::can_query_v<const boost::asio::any_io_executor&, Property>)
  [[nodiscard]] decltype(auto) query(const Property& property) const {
    return boost::asio::query(inner_, property);
  }
  template <class Property>
    requires(boost::asio::can_require_v<const boost::asio::any_io_executor&, Property>)
  [[nodiscard]] LeadingExecutor require(const Property& property) const {
    return {boost::asio::require(inner_, property), caller_};
  }
  template <class Property>
    requires(boost::asio::can_prefer_v<const boost::asio::any_io_executor&, Property>)
  [[nodiscard]] LeadingExecutor prefer(const Property& property) const {
    return {boost::asio::prefer(inner_, property), caller_};
  }

  friend bool operator==(const LeadingExecutor& one, const LeadingExecutor& other) noexcept {
    return one.inner_ == other.inner_ && one.caller_ == other.caller_;
  }
  friend bool operator!=(const LeadingExecutor& one, const LeadingExecutor& other) noexcept {
    return !(one == other);
  }

 private:
  boost::asio::any_io_executor inner_;
  CallerId caller_;
};

}  // namespace querymark::detail

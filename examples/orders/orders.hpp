#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <querymark/querymark.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace orders {

namespace qm = querymark;

enum class Status : std::int16_t { placed, paid, shipped, cancelled };

struct Order {
  std::int64_t id;
  std::string customer;
  Status status;
  std::int64_t cents;
  std::chrono::sys_seconds placed;
};

/// What differs between databases: the spelling of a list.
struct Dialect {
  /// `column` is one of the parameter `name`.
  std::string (*in_list)(std::string_view column, std::string_view name);
};

/// The orders of one shop, as a service keeps them: reads from the cache, writes that tell what
/// they change. Knows no database by name. Thread-safe.
class Orders {
 public:
  Orders(qm::Database& database, Dialect dialect);

  /// The order, if there is one. Never older than the last write that this process has heard of.
  [[nodiscard]] std::optional<Order> find(std::int64_t id) const;
  [[nodiscard]] std::vector<Order> find_all(const std::vector<std::int64_t>& ids) const;
  struct Filter {
    std::optional<std::string> customer{};
    std::optional<Status> status{};
  };
  [[nodiscard]] std::vector<Order> list(const Filter& filter) const;
  [[nodiscard]] std::int64_t revenue() const;

  struct Placed {
    std::int64_t id;
    std::string receipt;  ///< Goes out in a response header, and comes back with the next request.
  };
  [[nodiscard]] Placed place(const std::string& customer, std::int64_t cents,
                             std::chrono::sys_seconds now);
  /// Returns the receipt. Throws qm::Error when there is no such order.
  std::string set_status(std::int64_t id, Status status);

  /// Makes sure that reads in this process see the write behind a receipt that a client sent; false
  /// when it is none of ours, or did not come in time.
  [[nodiscard]] bool seen(std::string_view receipt, std::chrono::milliseconds timeout);

 private:
  qm::Database& db_;
  qm::PreparedQuery<Order, std::int64_t> by_id_;
  qm::PreparedQuery<Order, std::vector<std::int64_t>> by_ids_;
};

}  // namespace orders

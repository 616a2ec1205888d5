#pragma once

#include "orders.hpp"

namespace orders {

/// Throws std::logic_error with `what` unless `holds`.
void require(bool holds, std::string_view what);

/// What two instances of the service see of each other, each with a cache of its own over the same
/// database, whose table of orders is empty.
void exercise(qm::Database& one, qm::Database& other, Dialect dialect);

}  // namespace orders

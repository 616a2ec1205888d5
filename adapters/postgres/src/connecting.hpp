#pragma once

#include <string>

#include "handle.hpp"

namespace querymark::postgres {

/// What came of an attempt to connect.
struct Connected {
  ConnectionHandle connection;
  // Where it does not stand:
  std::string refusal{};  ///< Why, for people; may hold a password.
  std::string state{};    ///< The server's SQLSTATE for that; empty: no server has said anything.
};

/// Connects as PQconnectdb() does, and within the same times, but asks for SQLSTATEs, which that has no way to, and
/// drops what the server notes meanwhile, where that writes it to standard error. With several hosts, among which libpq
/// alone can choose, it is that function; then the code of a refusal costs another attempt. Throws std::bad_alloc.
[[nodiscard]] Connected connect(const std::string& keywords);

}  // namespace querymark::postgres

#pragma once

#include <string>

namespace querymark::postgres {

/// Why the server refuses a connection, as a SQLSTATE: libpq keeps only a text, in the server's
/// language, of a connection that did not come to be. Tries once more, for a second at most; empty
/// when no server says anything, or this attempt succeeds.
[[nodiscard]] std::string state_of_refusal(const std::string& keywords);

}  // namespace querymark::postgres

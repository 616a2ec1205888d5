#pragma once  // For nobody outside: loads in the background.

#include <chrono>

#include <optional>

#include "querymark/read/flight.hpp"
#include "querymark/read/read_request.hpp"

namespace querymark {

class Source;

/// Has the request's value loaded anew by the cache's executor, unless that is under way. What can't be
/// is counted. Does not block, but for a copy of the request.
void refresh_later(Source& source, const ReadRequest& request) noexcept;

/// Has the cache's executor load what `leader` leads. Nothing: it can't, which is counted, and the lead is
/// where it was. Else the lead is the executor's.
[[nodiscard]] bool load_apart(Source& source, const ReadRequest& request, CallerId caller,
                              std::optional<FlightLeader>& leader) noexcept;

}  // namespace querymark

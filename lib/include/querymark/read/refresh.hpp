#pragma once  // For nobody outside: loads in the background.

#include <chrono>

#include "querymark/read/read_request.hpp"

namespace querymark {

class Source;

/// Has the request's value loaded anew by the cache's executor, unless that is under way. What can't be
/// is counted. Does not block, but for a copy of the request.
void refresh_later(Source& source, const ReadRequest& request) noexcept;

}  // namespace querymark

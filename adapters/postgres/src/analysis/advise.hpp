#pragma once

#include <vector>

#include "ask.hpp"
#include "connection.hpp"
#include "querymark/automatic/advice.hpp"

namespace querymark::postgres {

/// Which routes would help these queries, in the connection's session. What the server refuses is told in its place;
/// throws Error where it can't be asked.
[[nodiscard]] Advice advise_on(Connection& connection, const SettingList& settings,
                               std::vector<SeenQuery> queries);

}  // namespace querymark::postgres

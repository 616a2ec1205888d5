#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "querymark/key/parameter.hpp"

namespace querymark::postgres {

/// Throws ConfigError unless the statement's first word says that it reads: SELECT, WITH, VALUES,
/// TABLE (also in parentheses), and unless it leaves the session alone. What hides behind it (a
/// WITH that writes, a function that does) the server refuses: cached queries run in read-only
/// transactions.
void require_reading(std::string_view sql);

/// Throws ConfigError for what must not run inside `write`: the end of the transaction, and changes
/// of the session that outlive it (SET without LOCAL, RESET, DISCARD, LISTEN, DEALLOCATE...).
void require_inside_transaction(std::string_view sql);

/// The text of `sql` with each `$n` outside quotes and comments replaced by `quote(values[n - 1])`:
/// for the one statement that travels together with COMMIT. `quote` returns a complete literal.
/// Requires that each `$n` has a value; throws ConfigError otherwise.
[[nodiscard]] std::string with_literals(std::string_view sql, std::span<const ParameterView> values,
                                        const std::function<std::string(ParameterView)>& quote);

}  // namespace querymark::postgres

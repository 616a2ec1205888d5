#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "querymark/key/parameter.hpp"
#include "sql_tokens.hpp"

namespace querymark::postgres {

/// What may become of a statement's rows.
enum class Reading : std::uint8_t {
  rows,   ///< Rows of data.
  about,  ///< It tells of the server: EXPLAIN, SHOW. To be run, and not kept.
};

/// Throws ConfigError, with what to do instead, unless the text is one statement that does nothing
/// but read, as far as a text tells: no other command, no COPY, no INTO, no row locks, no change of
/// data in a WITH or under EXPLAIN ANALYZE, and no call of a function that is known to have an
/// effect (nextval, pg_advisory_lock, lo_create...), which a read-only transaction lets pass or
/// whose result would be served from the cache. What it does not know as a command, such as a typo,
/// it leaves to the server to refuse.
Reading require_reading(std::string_view sql, Backslash backslash);

/// Throws ConfigError, with what to do instead, for what must not run inside `write`: the end of
/// the transaction, COPY, changes of the session that outlive it (SET without LOCAL, RESET,
/// DISCARD, LISTEN, DEALLOCATE, a cursor WITH HOLD...), and more than one statement.
void require_inside_transaction(std::string_view sql, Backslash backslash);

/// Throws ConfigError, with both numbers and the text, when `given` is not the number of parameters
/// that the statement asks for: that of its highest `$n`. Not for statements with a routine's body,
/// where `$n` is the routine's.
void require_parameters(std::string_view sql, Backslash backslash, std::size_t given);

/// Whether it names no parameter as PostgreSQL does, and some perhaps as others do: `?`.
[[nodiscard]] bool has_question_marks(std::string_view sql, Backslash backslash);

/// The text of `sql` with each `$n` outside quotes and comments replaced by `quote(values[n - 1])`:
/// for the one statement that travels together with COMMIT. `quote` returns a complete literal.
/// Requires that each `$n` has a value; throws ConfigError otherwise.
[[nodiscard]] std::string with_literals(std::string_view sql, std::span<const ParameterView> values,
                                        const std::function<std::string(ParameterView)>& quote,
                                        Backslash backslash = Backslash::plain);

}  // namespace querymark::postgres

#pragma once

#include <string_view>

namespace querymark::cli {

/// Opens /dev/null as each of the descriptors 0 to 2 that is closed, and makes writing to a pipe
/// that nobody reads an error instead of the process's end. Call it first: a database opened as
/// descriptor 2 would be sent the log lines.
void secure_output() noexcept;

/// Writes all of `text` to standard output; waits for whoever reads it.
void say(std::string_view text) noexcept;
/// Writes all of `text` to standard error. Waits at most a second for a reader that has stopped,
/// and from then on not at all, so that a worker goes on without its log.
void complain(std::string_view text) noexcept;
/// Whether any of it could not be written.
[[nodiscard]] bool output_failed() noexcept;
/// The same, and whether standard output is a pipe that nobody reads any more: for whoever may have nothing
/// to say for long.
[[nodiscard]] bool output_failed_or_abandoned() noexcept;

}  // namespace querymark::cli

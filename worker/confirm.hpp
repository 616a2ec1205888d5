#pragma once

#include <string>

namespace querymark::cli {

/// Asks on standard error and reads the first letter of the answer from standard input: whether it is
/// y or Y. The end of the input is a no. With `json` the question is for a terminal alone: what reads
/// JSON from standard error can't read it.
[[nodiscard]] bool confirm(const std::string& question, bool json);

}  // namespace querymark::cli

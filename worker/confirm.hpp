#pragma once

#include <string>

namespace querymark::cli {

/// Asks on standard error and reads the first letter of the answer from standard input: whether it is
/// y or Y. The end of the input is a no.
[[nodiscard]] bool confirm(const std::string& question);

}  // namespace querymark::cli

#pragma once

#include <string>
#include <vector>

namespace querymark::test {

/// The fenced blocks of a document that open with ```` ```language ````, in order. Throws when the
/// document can't be read, or has none.
[[nodiscard]] std::vector<std::string> blocks_of(const std::string& document,
                                                 const std::string& language);

}  // namespace querymark::test

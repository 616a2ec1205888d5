#pragma once

#include <string>
#include <string_view>

namespace querymark::sqlite {

/// The file that `url` names: `sqlite:PATH`, or a plain path without a scheme. Throws ConfigError
/// for another scheme, an empty path, and `:memory:` (which no other process or connection could
/// see).
[[nodiscard]] std::string path_of(std::string_view url);

}  // namespace querymark::sqlite

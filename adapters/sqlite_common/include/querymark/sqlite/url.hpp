#pragma once  // For users.

#include <string>
#include <string_view>

namespace querymark::sqlite {

/// The file that `url` names, `sqlite:PATH` or a plain path without a scheme, as an absolute path:
/// where it leads is settled now, whatever folder the process works in later. Symbolic links stay,
/// and are followed at each opening. Throws ConfigError for another scheme, an empty path, a NUL,
/// and `:memory:` (which no other process or connection could see); Error when the path is relative
/// and the working folder is gone.
[[nodiscard]] std::string path_of(std::string_view url);

}  // namespace querymark::sqlite

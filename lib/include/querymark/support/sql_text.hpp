#pragma once

#include <string_view>

#include "querymark/support/error.hpp"

namespace querymark {

/// Throws ConfigError for SQL with a NUL in it. Client libraries take SQL as C strings: they would
/// run what stands before the NUL, such as a DELETE without its WHERE.
inline void require_no_nul(std::string_view sql) {
  if (const std::size_t at = sql.find('\0'); at != std::string_view::npos)
    throw ConfigError("the SQL text holds a NUL at byte " + std::to_string(at) +
                      "; bind such a value as a parameter: " + std::string(sql.substr(0, at)));
}

}  // namespace querymark

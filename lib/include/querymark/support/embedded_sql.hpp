#pragma once  // For writers of ports.

#include <string_view>

// What the build makes of the files in `sql/`. For adapters.

namespace querymark {

/// A statement of the library's own: a constant that bears its name.
struct SqlStatement {
  const char* name;
  const char* text;

  constexpr operator std::string_view() const noexcept { return text; }
};

/// One numbered migration.
struct Migration {
  int version;
  std::string_view name;  ///< File name, such as "0001_outbox.sql".
  std::string_view text;
};

}  // namespace querymark

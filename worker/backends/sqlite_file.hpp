#pragma once

#include <string>

namespace querymark::cli {

/// Whether `url` may name a SQLite file: its scheme says so, or it is the path of a file that is
/// there.
[[nodiscard]] bool may_be_sqlite_file(const std::string& url);
/// The file that `url` names. Throws ConfigError for a name that was meant for something else: it
/// must not become an empty file, named after a password.
[[nodiscard]] std::string sqlite_file_of(const std::string& url);

}  // namespace querymark::cli

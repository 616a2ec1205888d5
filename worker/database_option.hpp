#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace querymark::cli {

/// `--db`, `--db-file` and the variable QUERYMARK_DB: three ways to name a database, two of which
/// keep a password out of the list of processes.
class DatabaseOption {
 public:
  /// Adds the options to `command`, for which the object must live as long.
  void add_to(CLI::App& command, const std::string& what);
  /// What was given, the options before the variable. Throws ConfigError when nothing was, or when
  /// the file can't be read.
  [[nodiscard]] std::string url() const;

 private:
  std::string url_;
  std::string file_;
};

}  // namespace querymark::cli

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
  /// Whether an option was given.
  [[nodiscard]] bool given() const noexcept { return !url_.empty() || !file_.empty(); }
  /// What was given, the options before the variable. Throws ConfigError when nothing was, or when
  /// the file can't be read.
  [[nodiscard]] std::string url() const;

 private:
  std::string url_;
  std::string file_;
};

/// The first line of the file, without blanks around it. Throws ConfigError.
[[nodiscard]] std::string url_in_file(const std::string& path);

}  // namespace querymark::cli

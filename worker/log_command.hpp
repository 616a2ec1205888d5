#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "backends/backend.hpp"
#include "database_option.hpp"

namespace querymark::cli {

/// What all commands that look at one namespace's log take: `--db`, `--namespace`, `--json`.
struct LogCommand {
  DatabaseOption db;
  std::string namespace_name = "default";
  bool json = false;

  /// Adds the options and the table of exit codes to `command`, for which this must live as long.
  void add_to(CLI::App& command);
  /// Throws ConfigError for an empty namespace.
  void require_namespace() const;
  [[nodiscard]] LogEndpoint open() const;
};

/// The same for commands that look at all namespaces, unless one is given.
struct LogView {
  DatabaseOption db;
  std::string namespace_name;  ///< Empty: all.
  bool json = false;

  void add_to(CLI::App& command);
  [[nodiscard]] LogEndpoint open() const;
};

}  // namespace querymark::cli

#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "backends/backend.hpp"
#include "database_option.hpp"

namespace querymark::cli {

/// What all commands that look at a log take: `--db`, `--namespace`, `--json`.
struct LogCommand {
  enum class Looks : std::uint8_t {
    at_one,  ///< At one namespace, `default` unless another is given.
    at_all,  ///< At all namespaces, unless one is given.
  };

  explicit LogCommand(Looks at = Looks::at_one)
      : looks(at), namespace_name(at == Looks::at_one ? "default" : "") {}

  Looks looks;
  DatabaseOption db{};
  std::string namespace_name;  ///< Empty: all.
  bool json = false;

  /// Adds the options and the table of exit codes to `command`, for which this must live as long.
  void add_to(CLI::App& command);
  /// Throws ConfigError for an empty namespace, where one is looked at.
  void require_namespace() const;
  [[nodiscard]] LogEndpoint open() const;
};

}  // namespace querymark::cli

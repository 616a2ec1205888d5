#include "log_command.hpp"

#include "exit_code.hpp"
#include "querymark/support/error.hpp"

namespace querymark::cli {

void LogCommand::add_to(CLI::App& command) {
  db.add_to(command, "Database with the log");
  if (looks == Looks::at_one)
    command.add_option("--namespace", namespace_name, "Namespace of the application's cache")
        ->capture_default_str();
  else
    command.add_option("--namespace", namespace_name,
                       "Only this namespace; all, if it is not given");
  command.add_flag("--json", json, "JSON on standard output, one object a line");
  command.footer(kExitCodes);
}

void LogCommand::require_namespace() const {
  if (looks == Looks::at_one && namespace_name.empty()) throw ConfigError("--namespace is empty");
}

LogEndpoint LogCommand::open() const {
  require_namespace();
  const std::string url = db.url();
  return backend_of_log(url).open_log(url, namespace_name.empty() ? "default" : namespace_name);
}

}  // namespace querymark::cli

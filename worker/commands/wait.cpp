#include <memory>
#include <string>

#include "backends/backend.hpp"
#include "commands/commands.hpp"
#include "database_option.hpp"
#include "querymark/database/database.hpp"
#include "querymark/read/cache.hpp"
#include "querymark/support/error.hpp"
#include "wait_option.hpp"

namespace querymark::cli::wait {
namespace {

struct Options {
  DatabaseOption db;
  std::string namespace_name;
  std::string receipt;
  WaitOption wait;
  bool json = false;
};

ExitCode run(const Options& options) {
  const auto receipt = Receipt::parse(options.receipt);
  if (!receipt) throw ConfigError("that is no receipt; one looks like qm1.shop.<epoch>.1f.9c41.2");
  if (!options.namespace_name.empty() && options.namespace_name != receipt->namespace_name)
    throw ConfigError("the receipt is of the namespace " + receipt->namespace_name);
  const Wait wait = options.wait.wait();
  const std::string url = options.db.url();
  Cache cache;
  const auto database = backend_of_log(url).open_database(url, cache, receipt->namespace_name);
  return wait_and_tell(*database, *receipt, wait, options.json);
}

}  // namespace

void add(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("wait", "Wait until a write, by its receipt, is visible");
  options->db.add_to(*command, "Database of the write");
  command->add_option("--namespace", options->namespace_name, "Must be the receipt's, if given");
  command->add_option("RECEIPT", options->receipt, "What the write has returned")->required();
  command->add_option("--scope", options->wait.scope, kWaitScopes)->capture_default_str();
  options->wait.add_to(*command);
  command->add_flag("--json", options->json, "One JSON object on standard output");
  command->footer(kExitCodes);
  command->callback([options, &code] { code = run(*options); });
}

}  // namespace querymark::cli::wait

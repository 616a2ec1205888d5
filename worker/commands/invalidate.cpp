#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "commands/commands.hpp"
#include "confirm.hpp"
#include "json_output.hpp"
#include "log_command.hpp"
#include "printable.hpp"
#include "querymark/database/database.hpp"
#include "querymark/read/cache.hpp"
#include "querymark/support/error.hpp"
#include "wait_option.hpp"

namespace querymark::cli::invalidate {
namespace {

struct Options {
  LogCommand log;
  std::vector<std::string> keys, tags, entities, collections;
  bool flush = false;
  bool yes = false;
  std::string reason = "querymark invalidate";
  std::string scope;
  WaitOption wait;
};

// As the log spells it; a key also by the plain name that an application has given it.
Target target_of(TargetKind kind, const std::string& text) {
  if (auto target = Target::from_log(to_string(kind), text)) return std::move(*target);
  if (kind == TargetKind::key) return key_named(text);
  static_cast<void>(tag(text));  // throws for an empty one, a long one, and what is no text
  throw ConfigError(fmt::format(
      "{} is no {}: {}segments are joined by ':', with '%' and ':' within one as %25 and %3A",
      printable(text), to_string(kind),
      kind == TargetKind::entity ? "it has a kind and an id, such as product:7; " : ""));
}

IntentBatch batch_of(const Options& options) {
  IntentBatch batch(options.reason);
  const auto add = [&](TargetKind kind, const std::vector<std::string>& texts) {
    for (const std::string& text : texts) batch.add(target_of(kind, text));
  };
  add(TargetKind::key, options.keys);
  add(TargetKind::tag, options.tags);
  add(TargetKind::entity, options.entities);
  add(TargetKind::collection, options.collections);
  if (options.flush) batch.add(flush_all());
  if (batch.empty()) throw ConfigError("say what: --key, --tag, --entity, --collection or --flush");
  return batch;
}

ExitCode run(const Options& options) {
  const IntentBatch batch = batch_of(options);
  WaitOption waiting = options.wait;
  if (!options.scope.empty()) waiting.scope = options.scope;
  const Wait wait = waiting.wait();
  options.log.require_namespace();
  const std::string url = options.log.db.url();
  if (options.flush && !options.yes &&
      !confirm("invalidate everything in the namespace " + options.log.namespace_name + "?",
               options.log.json))
    throw Error("nothing was invalidated; to answer beforehand, give --yes");
  Cache cache;
  const auto database = backend_of_log(url).open_database(url, cache, options.log.namespace_name);
  const Receipt receipt = database
                              ->write([&](Transaction& tx) {
                                tx.invalidate(batch.targets());
                                tx.reason(batch.reason());
                              })
                              .receipt;
  if (!options.scope.empty()) {
    if (!options.log.json) say(receipt.str() + '\n');
    return wait_and_tell(*database, receipt, wait, options.log.json);
  }
  if (options.log.json)
    say_json({{"receipt", receipt.str()}, {"intents", receipt.intents}});
  else
    say(receipt.str() + '\n');
  return kSuccess;
}

}  // namespace

void add(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("invalidate", "Invalidate in all processes and tiers; prints the receipt");
  options->log.add_to(*command);
  command->add_option("--key", options->keys, "A value by its name, or query:<hex> of a query");
  command->add_option("--tag", options->tags, "What carries this tag, such as price-list");
  command->add_option("--entity", options->entities, "One thing, such as product:7");
  command->add_option("--collection", options->collections, "Lists of a kind, such as product");
  command->add_flag("--flush", options->flush, "Everything in the namespace");
  command->add_flag("--yes", options->yes, "Do not ask before --flush");
  command->add_option("--reason", options->reason, "For those who read the log")
      ->capture_default_str();
  command->add_option("--wait", options->scope,
                      std::string("Wait until it is visible: ") + kWaitScopes);
  options->wait.add_to(*command);
  command->callback([options, &code] { code = run(*options); });
}

}  // namespace querymark::cli::invalidate

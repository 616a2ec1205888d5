#include "wait_option.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "json_output.hpp"
#include "querymark/support/error.hpp"
#include "times.hpp"

namespace querymark::cli {

void WaitOption::add_to(CLI::App& command) {
  command.add_option("--for", targets, "Names of shared targets, as querymark status shows them");
  command.add_option("--timeout", timeout, "Of the wait, such as 500ms, 5s, 2min")
      ->capture_default_str();
}

Wait WaitOption::wait() const {
  const std::chrono::milliseconds span = parse_span(timeout, "--timeout");
  if (scope == "shared") {
    if (targets.empty())
      throw ConfigError("say which targets, by --for; querymark status shows their names");
    return Wait::shared(targets, span);
  }
  if (!targets.empty()) throw ConfigError("--for is of the scope shared");
  if (scope == "local") return Wait::local(span);
  if (scope == "cluster") return Wait::cluster(span);
  throw ConfigError("unknown scope of a wait: " + scope + "; use " + kWaitScopes);
}

ExitCode wait_and_tell(Database& database, const Receipt& receipt, const Wait& wait, bool json) {
  const WaitOutcome outcome = database.wait(receipt, wait);
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(outcome.elapsed);
  if (json)
    say_json({{"receipt", receipt.str()},
              {"status", to_string(outcome.status)},
              {"pending", outcome.pending},
              {"elapsed_ms", elapsed.count()},
              {"reason", outcome.reason}});
  else
    say(fmt::format("{}{}{} after {}\n", to_string(outcome.status),
                    outcome.reason.empty() ? "" : ": ", outcome.reason, about(elapsed)));
  switch (outcome.status) {
    case WaitStatus::satisfied:
      return kSuccess;
    case WaitStatus::degraded:
    case WaitStatus::timed_out:
      return kDegraded;
    case WaitStatus::refused:
      break;
  }
  return kFailure;
}

}  // namespace querymark::cli

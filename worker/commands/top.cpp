#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include "commands/commands.hpp"
#include "json_output.hpp"
#include "log_command.hpp"
#include "log_lines.hpp"
#include "printable.hpp"
#include "querymark/support/error.hpp"
#include "secrets.hpp"
#include "signals.hpp"
#include "status_report.hpp"
#include "times.hpp"

namespace querymark::cli::top {
namespace {

struct Options {
  LogCommand view{LogCommand::Looks::at_all};
  std::string interval = "2s";
  std::uint64_t rounds = 0;
};

// Home, the text with the rest of each line cleared, and what is left below cleared, too: without
// the flicker of an empty screen.
void paint(const std::string& text) {
  std::string screen = "\x1b[H";
  for (const char c : text) screen += c == '\n' ? std::string("\x1b[K\n") : std::string(1, c);
  say(screen + "\x1b[J");
}

void show(const Options& options, const StatusReport& report) {
  if (options.view.json) return say_json(as_json(report));
  const std::string text = to_text(report.database.now) + "  (Ctrl-C ends)\n" + as_text(report);
  if (::isatty(STDOUT_FILENO) != 0)
    paint(text);
  else
    say(text + '\n');
}

ExitCode run(const Options& options) {
  const std::chrono::milliseconds interval = parse_span(options.interval, "--interval");
  if (interval.count() == 0) throw ConfigError("--interval can't be zero");
  StopOnSignal signals;
  signals.end_within(std::chrono::seconds(1));
  const auto open = [&] { return signals.ended_at_once([&] { return options.view.open(); }); };
  std::optional<LogEndpoint> log(open());
  for (std::uint64_t round = 1;; ++round) {
    ExitCode code = kSuccess;
    try {
      if (!log) log = open();
      show(options, look_at(*log, options.view.namespace_name));
    } catch (const Error& failure) {
      // Gone for now; what does not go away by itself ends this.
      if (!failure.connection_lost() && !failure.retryable()) throw;
      remark(options.view.json, "tries again", without_secrets(failure.what()));
      log.reset();
      code = exit_code_of(failure);
    }
    if (output_failed() || (options.rounds != 0 && round == options.rounds)) return code;
    if (signals.stopped_within(interval)) return kSuccess;
  }
}

}  // namespace

void add(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("top", "The same as status, again and again");
  options->view.add_to(*command);
  command->add_option("--interval", options->interval, "Between two looks, such as 500ms, 2s")
      ->capture_default_str();
  command->add_option("--rounds", options->rounds, "Ends after so many looks; 0: never")
      ->capture_default_str();
  command->callback([options, &code] { code = run(*options); });
}

}  // namespace querymark::cli::top

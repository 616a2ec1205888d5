#include <fmt/format.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands/commands.hpp"
#include "json_output.hpp"
#include "log_command.hpp"
#include "log_lines.hpp"
#include "printable.hpp"
#include "querymark/support/error.hpp"
#include "secrets.hpp"
#include "signals.hpp"
#include "times.hpp"

namespace querymark::cli::tail {
namespace {

constexpr std::chrono::seconds kPoll(1);

struct Options {
  LogCommand log;
  bool retained = false;
  bool once = false;
};

void tell(const LogRow& row, const RowDetails& details, bool json) {
  const std::string kind =
      row.target ? std::string(to_string(row.target->kind())) : std::string("malformed");
  const std::string text = row.target ? row.target->text() : std::string();
  if (json)
    say_json({{"time", to_text(details.created_at)},
              {"position", std::to_string(row.position.value)},
              {"write", fmt::format("{:016x}", row.write.value)},
              {"kind", kind},
              {"target", text},
              {"reason", details.reason}});
  else
    say(fmt::format("{}  {:016x}  {} {}{}\n", to_text(details.created_at), row.write.value, kind,
                    printable(text),
                    details.reason.empty() ? "" : "  (" + printable(details.reason) + ')'));
}

// Follows the log as a subscriber does; what may be pruned or rewound beneath it is told, and it
// goes on from there.
class Tail {
 public:
  Tail(const LogEndpoint& log, const Options& options) : log_(log), options_(options) {
    cursor_ = options.retained ? log.reader->retained() : log.reader->now();
  }

  // All that is new now.
  void look() {
    TailRequest request{
        .from = cursor_, .upto = std::nullopt, .after = std::nullopt, .limit = 1000};
    for (bool more = true; more && !output_failed();) {
      const TailPage page = log_.reader->read(request);
      if (page.status != TailStatus::ok) {
        cursor_ = page.upto;
        remark(options_.log.json, "goes on from now",
               page.status == TailStatus::pruned
                   ? "rows were pruned before they were seen; goes on from now"
                   : "the database's history has changed; goes on from now");
        return;
      }
      tell_page(page.rows);
      more = page.more;
      request.upto = page.upto;
      if (!page.rows.empty()) request.after = page.rows.back();
    }
    if (request.upto) cursor_ = *request.upto;
  }

 private:
  void tell_page(const std::vector<LogRow>& rows) {
    if (rows.empty()) return;
    std::map<std::uint64_t, RowDetails> details;
    for (RowDetails& each : log_.inspector->details(rows)) details[each.id] = std::move(each);
    for (const LogRow& row : rows) tell(row, details[row.id], options_.log.json);
  }

  const LogEndpoint& log_;
  const Options& options_;
  Cursor cursor_;
};

ExitCode run(const Options& options) {
  StopOnSignal signals;
  signals.end_within(std::chrono::seconds(1));
  const LogEndpoint log = signals.ended_at_once([&] { return options.log.open(); });
  Tail tail(log, options);
  const std::stop_callback wake(signals.token(), [&log] { log.doorbell->interrupt(); });
  while (!signals.token().stop_requested() && !output_failed_or_abandoned()) {
    try {
      tail.look();
      if (options.once) return kSuccess;
      log.doorbell->wait(kPoll);
    } catch (const Error& failure) {
      if (options.once || (!failure.connection_lost() && !failure.retryable())) throw;
      remark(options.log.json, "tries again", without_secrets(failure.what()));
      if (signals.stopped_within(kPoll)) break;
    }
  }
  return kSuccess;
}

}  // namespace

void add(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("tail", "Follow the invalidations as they are committed");
  options->log.add_to(*command);
  command->add_flag("--retained", options->retained, "Begin with all that the log still holds");
  command->add_flag("--once", options->once, "Print what is there and exit");
  command->callback([options, &code] { code = run(*options); });
}

}  // namespace querymark::cli::tail

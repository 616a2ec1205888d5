#include "delivery_commands.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "confirm.hpp"
#include "json_output.hpp"
#include "log_command.hpp"
#include "log_lines.hpp"
#include "printable.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/excerpt.hpp"
#include "table.hpp"
#include "times.hpp"

namespace querymark::cli {
namespace {

constexpr std::size_t kPage = 1000;
constexpr std::size_t kErrorInTable = 60;

struct Selection {
  std::vector<std::uint64_t> ids;
  std::string consumer;
  std::string error;
  std::vector<std::string> states;
  std::uint64_t after = 0;
  std::uint64_t limit = 100;
  bool all = false;
  bool yes = false;
};

struct Command {
  LogCommand log;
  Selection chosen;
  DeliveryView view;
};

std::string target_text(const DeliveryRecord& record) {
  if (!record.target) return "(malformed row)";
  if (record.target->is_flush()) return "flush";
  return fmt::format("{} {}", to_string(record.target->kind()), record.target->text());
}

nlohmann::json as_json(const DeliveryRow& row) {
  const DeliveryRecord& record = row.record;
  nlohmann::json out{{"id", record.id},
                     {"state", to_string(row.state)},
                     {"consumer", row.consumer},
                     {"epoch", record.epoch.hex()},
                     {"first_position", std::to_string(record.first_position.value)},
                     {"position", std::to_string(record.position.value)},
                     {"attempts", record.attempts},
                     {"available_at", to_text(record.available_at)},
                     {"deadline", to_text(record.deadline)},
                     {"created_at", to_text(row.created_at)},
                     {"changed_at", to_text(row.changed_at)},
                     {"last_error", record.last_error},
                     {"kind", nullptr},
                     {"target", nullptr}};
  if (record.target) {
    out["kind"] = to_string(record.target->kind());
    out["target"] = record.target->text();
  }
  return out;
}

std::vector<DeliveryState> states_of(const Command& command) {
  std::vector<DeliveryState> states;
  for (const std::string& name : command.chosen.states) {
    const auto state = delivery_state(name);
    if (!state)
      throw ConfigError(
          "unknown state " + name +
          "; use pending, claimed, dead, expired, cancelled, superseded or discarded");
    states.push_back(*state);
  }
  return states.empty() ? command.view.states : states;
}

// Calls `take(rows)` for each page, until it has had `limit` rows (0: all) or says that it is done.
// Returns the id after which more follow; 0: none.
template <class Take>
std::uint64_t for_each_page(Deliveries& deliveries, DeliveryFilter filter, std::uint64_t limit,
                            const Take& take) {
  for (std::uint64_t left = limit; limit == 0 || left > 0;) {
    filter.limit = limit == 0 ? kPage : std::min<std::uint64_t>(kPage, left);
    const std::vector<DeliveryRow> rows = deliveries.list(filter);
    if (rows.empty()) return 0;
    take(rows);
    if (output_failed()) return 0;
    filter.after = rows.back().record.id;
    left -= std::min<std::uint64_t>(left, rows.size());
  }
  filter.limit = 1;
  return deliveries.list(filter).empty() ? 0 : filter.after;
}

void list(const Command& command) {
  const LogEndpoint log = command.log.open();
  bool any = false;
  const auto show = [&](const std::vector<DeliveryRow>& rows) {
    any = true;
    if (command.log.json) {
      for (const DeliveryRow& row : rows) say_json(as_json(row));
      return;
    }
    Table table({"ID", "STATE", "TARGET", "CONSUMER", "TRIED", "CHANGED", "ERROR"});
    for (const DeliveryRow& row : rows)
      table.add({std::to_string(row.record.id), std::string(to_string(row.state)),
                 target_text(row.record), row.consumer, std::to_string(row.record.attempts),
                 to_text(row.changed_at), excerpt(row.record.last_error, kErrorInTable)});
    say(table.text());
  };
  const std::uint64_t next = for_each_page(*log.deliveries,
                                           {.consumer = command.chosen.consumer,
                                            .states = states_of(command),
                                            .error = command.chosen.error,
                                            .after = command.chosen.after},
                                           command.chosen.limit, show);
  if (command.log.json) return;
  if (!any)
    say(fmt::format("no {} in the namespace {}\n", command.view.noun,
                    printable(command.log.namespace_name)));
  if (next != 0) say(fmt::format("more follow: --after {}\n", next));
}

[[noreturn]] void fail_unknown(const Command& command, std::uint64_t id) {
  throw Error(fmt::format("there is no delivery {} in the namespace {}", id,
                          printable(command.log.namespace_name)));
}

void show(const Command& command) {
  const LogEndpoint log = command.log.open();
  const std::uint64_t id = command.chosen.ids.at(0);
  const auto row = log.deliveries->find(id);
  if (!row) fail_unknown(command, id);
  if (command.log.json) return say_json(as_json(*row));
  const nlohmann::json fields = as_json(*row);
  for (const auto& [name, value] : fields.items())
    say(fmt::format("{:<16}{}\n", name,
                    value.is_string() ? printable(value.get_ref<const std::string&>())
                                      : printable(value.dump())));
}

std::vector<DeliveryState> states_for(const DeliveryView& view, Decision decision) {
  std::vector<DeliveryState> states;
  for (const DeliveryState state : view.states)
    if (decided(state, decision)) states.push_back(state);
  return states;
}

std::string past_of(Decision decision) {
  switch (decision) {
    case Decision::cancel:
      return "cancelled";
    case Decision::discard:
      return "discarded";
    case Decision::retry:
      break;
  }
  return "retried";
}

struct Outcome {
  std::uint64_t matched = 0;
  std::uint64_t changed = 0;
};

void tell_progress(const Outcome& outcome) {
  if (::isatty(STDERR_FILENO) != 0 && outcome.matched % (10 * kPage) == 0)
    complain(fmt::format("{} so far\n", outcome.changed));
}

Outcome decide_by_id(const Command& command, Deliveries& deliveries, Decision decision) {
  Outcome outcome;
  for (const std::uint64_t id : command.chosen.ids) {
    const auto row = deliveries.find(id);
    if (!row) fail_unknown(command, id);
    ++outcome.matched;
    const SeenDelivery seen{id, row->state};
    if (!deliveries.decide({&seen, 1}, decision).empty()) {
      ++outcome.changed;
      continue;
    }
    remark(command.log.json, "not " + past_of(decision),
           fmt::format("the delivery {} is {}: it can't be {}{}", id, to_string(row->state),
                       past_of(decision),
                       !decided(row->state, decision) ? ""
                       : !row->record.target          ? "; its row of the log was malformed"
                                             : "; it is of an earlier history of the database, "
                                               "or has just moved on"));
  }
  return outcome;
}

Outcome decide_all(const Command& command, Deliveries& deliveries, Decision decision,
                   const DeliveryFilter& filter) {
  Outcome outcome;
  for_each_page(deliveries, filter, 0, [&](const std::vector<DeliveryRow>& rows) {
    std::vector<SeenDelivery> seen;
    seen.reserve(rows.size());
    for (const DeliveryRow& row : rows) seen.push_back({row.record.id, row.state});
    outcome.matched += rows.size();
    outcome.changed += deliveries.decide(seen, decision).size();
    if (!command.log.json) tell_progress(outcome);
  });
  return outcome;
}

std::string question(const Command& command, Deliveries& deliveries, Decision decision,
                     const DeliveryFilter& filter) {
  std::string how_many = std::to_string(command.chosen.ids.size());
  if (command.chosen.ids.empty()) {
    DeliveryFilter probe = filter;
    probe.limit = kPage + 1;
    const std::size_t found = deliveries.list(probe).size();
    how_many = found > kPage ? "more than " + std::to_string(kPage) : std::to_string(found);
  }
  return fmt::format("{} {} {} of the namespace {}?", to_string(decision), how_many,
                     command.view.noun, command.log.namespace_name);
}

ExitCode decide(const Command& command, Decision decision) {
  const Selection& chosen = command.chosen;
  const int ways =
      (chosen.ids.empty() ? 0 : 1) + (chosen.error.empty() ? 0 : 1) + (chosen.all ? 1 : 0);
  if (ways != 1) throw ConfigError("say which: ids, --error TEXT, or --all; one of them");
  const LogEndpoint log = command.log.open();
  const DeliveryFilter filter{.consumer = chosen.consumer,
                              .states = states_for(command.view, decision),
                              .error = chosen.error};
  if (!chosen.yes &&
      !confirm(question(command, *log.deliveries, decision, filter), command.log.json))
    throw Error("nothing was changed; to answer beforehand, give --yes");
  const Outcome outcome = chosen.ids.empty()
                              ? decide_all(command, *log.deliveries, decision, filter)
                              : decide_by_id(command, *log.deliveries, decision);
  if (command.log.json)
    say_json({{"decision", to_string(decision)},
              {"matched", outcome.matched},
              {"changed", outcome.changed}});
  else
    say(fmt::format("{} of {} {}\n", outcome.changed, outcome.matched, past_of(decision)));
  // Of many, some may move on meanwhile; one that was named should not.
  return chosen.ids.empty() || outcome.changed == outcome.matched ? kSuccess : kFailure;
}

std::shared_ptr<Command> add(CLI::App& group, const DeliveryView& view, const std::string& name,
                             const std::string& about, CLI::App*& command) {
  auto options = std::make_shared<Command>();
  options->view = view;
  command = group.add_subcommand(name, about);
  options->log.add_to(*command);
  return options;
}

void add_list(CLI::App& group, const DeliveryView& view) {
  CLI::App* command = nullptr;
  auto options =
      add(group, view, "list", "List " + view.noun + ", the first recorded first", command);
  Selection& chosen = options->chosen;
  command->add_option("--consumer", chosen.consumer, "Only those of this shared target");
  command->add_option("--state", chosen.states, "Only those in these states");
  command->add_option("--error", chosen.error, "Only those whose last error contains this");
  command->add_option("--after", chosen.after, "Only those recorded later than this id");
  command->add_option("--limit", chosen.limit, "At most so many; 0: all")->capture_default_str();
  command->callback([options] { list(*options); });
}

void add_show(CLI::App& group, const DeliveryView& view) {
  CLI::App* command = nullptr;
  auto options = add(group, view, "show", "Show one delivery in full", command);
  command->add_option("ID", options->chosen.ids, "The delivery's id")->required()->expected(1);
  command->callback([options] { show(*options); });
}

std::string about_decision(const DeliveryView& view, Decision decision) {
  switch (decision) {
    case Decision::cancel:
      return "Do not try these any more, though what they invalidate may still be cached";
    case Decision::discard:
      return "Put " + view.noun + " away: they have been seen to";
    case Decision::retry:
      break;
  }
  return "Try " + view.noun + " again, as if they were new";
}

void add_decision(CLI::App& group, const DeliveryView& view, Decision decision, ExitCode& code) {
  CLI::App* command = nullptr;
  auto options =
      add(group, view, std::string(to_string(decision)), about_decision(view, decision), command);
  Selection& chosen = options->chosen;
  command->add_option("ID", chosen.ids, "Ids of deliveries");
  command->add_option("--error", chosen.error, "All whose last error contains this");
  command->add_flag("--all", chosen.all, "All");
  command->add_option("--consumer", chosen.consumer,
                      "With --error or --all: only those of this shared target");
  command->add_flag("--yes", chosen.yes, "Do not ask");
  command->callback([options, decision, &code] { code = decide(*options, decision); });
}

}  // namespace

void add_delivery_commands(CLI::App& group, const DeliveryView& view, ExitCode& code) {
  group.require_subcommand(1);
  group.footer(kExitCodes);
  add_list(group, view);
  add_show(group, view);
  for (const Decision decision : view.decisions) add_decision(group, view, decision, code);
}

}  // namespace querymark::cli

#include "status_report.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "printable.hpp"
#include "querymark/support/counted.hpp"
#include "table.hpp"
#include "times.hpp"

namespace querymark::cli {
namespace {

using Span = std::optional<std::chrono::milliseconds>;

nlohmann::json as_json(const BoundedCount& count) {
  return {{"rows", count.rows}, {"more", count.more}};
}

nlohmann::json as_json(const Span& span) {
  return span ? nlohmann::json(static_cast<double>(span->count()) / 1000) : nlohmann::json();
}

nlohmann::json as_json(const Backlog& backlog) {
  return {
      {"rows", backlog.rows.rows}, {"more", backlog.rows.more}, {"seconds", as_json(backlog.lag)}};
}

std::string as_text(const BoundedCount& count) {
  return fmt::format("{}{}", count.rows, count.more ? "+" : "");
}

std::string as_text(const Span& span) { return span ? about(*span) : "-"; }

std::string bytes_text(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} bytes", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string state_of(const ConsumerReport& consumer) {
  if (consumer.down)
    return fmt::format("down for {}: {}", about(*consumer.down), consumer.down_reason);
  if (!consumer.current) return "will start with a flush";
  if (consumer.owes_flush) return "owes a flush";
  return consumer.owner.empty() ? "no worker holds its lease" : "up";
}

nlohmann::json as_json(const ConsumerReport& consumer) {
  return {{"namespace", consumer.namespace_name},
          {"target", consumer.name},
          {"worker", consumer.owner.empty() ? nlohmann::json() : nlohmann::json(consumer.owner)},
          {"current", consumer.current},
          {"cursor", consumer.cursor},
          {"behind", as_json(consumer.behind)},
          {"attempts", consumer.attempts},
          {"owes_flush", consumer.owes_flush},
          {"breaker", consumer.down ? "open" : "closed"},
          {"down_seconds", as_json(consumer.down)},
          {"down_reason", consumer.down_reason},
          {"waiting", as_json(consumer.waiting)},
          {"dead", as_json(consumer.dead)},
          {"expired", as_json(consumer.expired)}};
}

// How many rows are counted for each of those who follow the log: about a million in all.
std::uint64_t rows_for_each(std::size_t followers) {
  return std::clamp<std::uint64_t>(1'000'000 / (followers + 1), 1000, 100'000);
}

std::string horizon_text(const HorizonHolder& holder) {
  return fmt::format("horizon: held by a {}{}{}{}{}\n", printable(holder.what),
                     holder.pid != 0 ? fmt::format(", pid {}", holder.pid) : "",
                     holder.application.empty() ? "" : ", " + printable(holder.application),
                     holder.state.empty() ? "" : ", " + printable(holder.state),
                     holder.age ? ", for " + about(*holder.age) : "");
}

}  // namespace

StatusReport look_at(const LogEndpoint& log, const std::string& namespace_name) {
  StatusReport report;
  report.database = log.inspector->database();
  report.log = log.pruning->extent();
  report.horizon = log.pruning->horizon_holder();
  report.consumers = log.inspector->consumers(namespace_name);
  const std::uint64_t most = rows_for_each(report.log.holders.size());
  for (const LogHolder& holder : report.log.holders) {
    if (holder.kind != LogHolder::Kind::subscriber) continue;
    if (!namespace_name.empty() && holder.namespace_name != namespace_name) continue;
    FollowerReport follower{.who = holder, .behind = {}, .current = false};
    if (holder.cursor && holder.cursor->epoch == report.database.epoch) {
      follower.current = true;
      const FollowerReport* last = report.followers.empty() ? nullptr : &report.followers.back();
      const bool known = last != nullptr && last->current &&
                         last->who.namespace_name == holder.namespace_name &&
                         last->who.cursor->snapshot == holder.cursor->snapshot;
      follower.behind = known ? last->behind  // most are equally far
                              : log.inspector->behind(holder.namespace_name, *holder.cursor, most);
    }
    report.followers.push_back(std::move(follower));
  }
  return report;
}

nlohmann::json as_json(const StatusReport& report) {
  nlohmann::json out{{"database_id", report.database.database_id},
                     {"schema", report.database.schema},
                     {"epoch", report.database.epoch.hex()},
                     {"floor", report.database.floor},
                     {"now", to_text(report.database.now)},
                     {"log",
                      {{"rows", report.log.rows},
                       {"leftover", report.log.leftover},
                       {"bytes", report.log.bytes ? nlohmann::json(*report.log.bytes) : nullptr},
                       {"oldest_seconds", as_json(report.database.oldest)}}},
                     {"horizon_holder", nullptr},
                     {"targets", nlohmann::json::array()},
                     {"subscribers", nlohmann::json::array()}};
  if (const auto& holder = report.horizon)
    out["horizon_holder"] = {{"what", holder->what},
                             {"pid", holder->pid},
                             {"application", holder->application},
                             {"state", holder->state},
                             {"database", holder->database},
                             {"seconds", as_json(holder->age)}};
  for (const ConsumerReport& consumer : report.consumers)
    out["targets"].push_back(as_json(consumer));
  for (const FollowerReport& follower : report.followers)
    out["subscribers"].push_back({{"namespace", follower.who.namespace_name},
                                  {"name", follower.who.name},
                                  {"current", follower.current},
                                  {"behind", as_json(follower.behind)}});
  return out;
}

std::string as_text(const StatusReport& report) {
  std::string out = fmt::format("schema {}, epoch {}, floor {}\n", report.database.schema,
                                report.database.epoch.hex(), printable(report.database.floor));
  out += fmt::format(
      "log: about {}{}{}\n", counted(report.log.rows, "row"),
      report.log.leftover != 0 ? fmt::format(", {} more to be removed", report.log.leftover) : "",
      report.log.bytes ? ", " + bytes_text(*report.log.bytes) : "");
  if (report.database.oldest)
    out += fmt::format("the log's oldest row is {} old\n", about(*report.database.oldest));
  if (report.horizon) out += horizon_text(*report.horizon);
  Table targets({"NAMESPACE", "TARGET", "BEHIND", "LAG", "WAITING", "DEAD", "EXPIRED", "STATE"});
  for (const ConsumerReport& consumer : report.consumers)
    targets.add({consumer.namespace_name, consumer.name, as_text(consumer.behind.rows),
                 as_text(consumer.behind.lag), as_text(consumer.waiting), as_text(consumer.dead),
                 as_text(consumer.expired), state_of(consumer)});
  out += targets.empty() ? "\nno shared targets\n" : '\n' + targets.text();
  Table followers({"NAMESPACE", "SUBSCRIBER", "BEHIND", "LAG"});
  for (const FollowerReport& follower : report.followers)
    followers.add({follower.who.namespace_name, follower.who.name,
                   follower.current ? as_text(follower.behind.rows) : "starting",
                   as_text(follower.behind.lag)});
  out += followers.empty() ? "\nno subscribers\n" : '\n' + followers.text();
  return out;
}

}  // namespace querymark::cli

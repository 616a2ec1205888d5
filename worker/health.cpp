#include "health.hpp"

#include <fmt/format.h>

#include "querymark/support/clock.hpp"
#include "querymark/support/counted.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/shell_word.hpp"
#include "status_report.hpp"
#include "times.hpp"

namespace querymark::cli {
namespace {

using namespace std::chrono_literals;
using Findings = std::vector<Finding>;

constexpr std::chrono::milliseconds kLongLag = 60s;
constexpr std::chrono::milliseconds kSkew = 2s;

void add(Findings& findings, Finding::Severity severity, std::string what, std::string advice) {
  findings.push_back({severity, std::move(what), std::move(advice)});
}

std::string name_of(const ConsumerReport& consumer) {
  return fmt::format("the target {} of the namespace {}", consumer.name, consumer.namespace_name);
}

void look_at_horizon(const StatusReport& report, std::chrono::milliseconds longest_open,
                     Findings& findings) {
  if (!report.horizon || report.horizon->age.value_or(0ms) < longest_open) return;
  const HorizonHolder& holder = *report.horizon;
  add(findings, Finding::Severity::warning,
      fmt::format("a {}{}{} is open for {}: shared tiers serve nothing that was written since",
                  holder.what, holder.pid != 0 ? fmt::format(" (pid {})", holder.pid) : "",
                  holder.application.empty() ? "" : " of " + holder.application,
                  about(*holder.age)),
      holder.pid != 0 ? fmt::format("end it: select pg_terminate_backend({})", holder.pid)
                      : std::string("commit it, or roll it back: select * from pg_prepared_xacts"));
}

void look_at_clock(const DatabaseReport& database, WallTime before, WallTime after,
                   Findings& findings) {
  const auto ahead = database.now - after;
  const auto behind = before - database.now;
  if (ahead <= kSkew && behind <= kSkew) return;
  add(findings, Finding::Severity::warning,
      fmt::format("the database's clock is {} {} this machine's", about(std::max(ahead, behind)),
                  ahead > behind ? "ahead of" : "behind"),
      "synchronise both by NTP: the TTLs of shared tiers go by wall clocks");
}

// How far back the log goes is known by the snapshots that were recorded, one a minute.
void look_at_retention(const LogExtent& log, std::chrono::milliseconds largest_ttl,
                       Findings& findings) {
  std::optional<std::chrono::milliseconds> gone;
  for (const RecordedSnapshot& recorded : log.recorded)
    if (log.pruned.contains(recorded.snapshot)) gone = recorded.age;
  if (!gone || *gone >= largest_ttl) return;
  add(findings, Finding::Severity::warning,
      fmt::format(
          "the log goes back {}, and values live for {}: what a shared tier holds of before "
          "is not served by processes that start",
          about(*gone), about(largest_ttl)),
      "give the workers, or querymark prune, a retention of at least the largest TTL");
}

void look_at_followers(const LogEndpoint& log, const StatusReport& report, Findings& findings) {
  for (const SubscriberRow& row : log.subscribers->subscribers())
    if (row.entry.version != QUERYMARK_VERSION)
      add(findings, Finding::Severity::notice,
          fmt::format("{} runs version {}, this is {}", row.entry.for_people(), row.entry.version,
                      QUERYMARK_VERSION),
          "upgrade it when you can: this database's statements may be newer than it knows");
  for (const FollowerReport& follower : report.followers)
    if (follower.behind.lag && *follower.behind.lag > kLongLag)
      add(findings, Finding::Severity::warning,
          fmt::format("{} is {} behind: it serves nothing from its cache", follower.who.name,
                      about(*follower.behind.lag)),
          "look at whether it reaches the database, and at its load");
}

void look_at_reports(const LogEndpoint& log, const Expected& expected, Findings& findings) {
  const WallTime before = system_clock().wall_now();
  const DatabaseReport database = log.inspector->database();
  const WallTime after = system_clock().wall_now();
  look_at_clock(database, before, after, findings);
  const StatusReport report = look_at(log, expected.namespace_name);
  look_at_horizon(report, expected.longest_open, findings);
  if (expected.largest_ttl) look_at_retention(report.log, *expected.largest_ttl, findings);
  for (const ConsumerReport& consumer : report.consumers)
    for (Finding& finding : findings_of(consumer)) findings.push_back(std::move(finding));
  look_at_followers(log, report, findings);
}

}  // namespace

std::vector<Finding> findings_of(const ConsumerReport& consumer) {
  Findings findings;
  using enum Finding::Severity;
  const std::string name = name_of(consumer);
  const bool late = consumer.behind.lag && *consumer.behind.lag > kLongLag;
  if (consumer.down)
    add(findings, error,
        fmt::format("{} takes nothing, for {}: {}", name, about(*consumer.down),
                    consumer.down_reason),
        "mend the target; nothing is lost meanwhile, and the worker goes on by itself");
  else if (consumer.owner.empty() && late)
    // What the file tier was that lay at a path before only its worker could know, and who else drains it nobody: so
    // this is an operator's to decide. A worker that comes back begins with a flush.
    add(findings, error,
        fmt::format("no worker drains {}, which is {} behind", name, about(*consumer.behind.lag)),
        fmt::format(
            "run querymark worker --namespace {}; or, if the target is no more, let it hold "
            "the log no longer: {}",
            shell_word(consumer.namespace_name), consumer.forgetting));
  else if (late)
    add(findings, warning, fmt::format("{} is {} behind", name, about(*consumer.behind.lag)),
        "look at the worker's log and at how long the target takes");
  if (consumer.attempts > 1)
    add(findings, warning,
        fmt::format("the segment that {} is at has been claimed {} times without an end", name,
                    consumer.attempts),
        "look at why its workers end: the invalidations are tried one by one until then");
  if (consumer.dead.rows > 0)
    add(findings, warning,
        fmt::format("{} has {}", name,
                    consumer.dead.more ? fmt::format("{}+ dead letters", consumer.dead.rows)
                                       : counted(consumer.dead.rows, "dead letter")),
        fmt::format("look at them by querymark dead list --namespace {}; then retry or discard "
                    "them",
                    consumer.namespace_name));
  if (consumer.owes_flush)
    add(findings, notice, name + " owes a flush in place of what has died",
        "its worker pays it with its next claim");
  return findings;
}

std::vector<Finding> findings_of(const LogEndpoint& log, const Expected& expected) {
  Findings findings = log.inspector->findings(expected.longest_open);
  try {
    look_at_reports(log, expected, findings);
  } catch (const Error& failure) {
    // What is missing, a right for instance, is among the findings; it hides no others.
    if (failure.connection_lost() || failure.retryable()) throw;
    add(findings, Finding::Severity::error, failure.what(), "the rest was not looked at");
  }
  return findings;
}

}  // namespace querymark::cli

#include "track_report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>

#include "json_output.hpp"
#include "printable.hpp"

namespace querymark::cli {
namespace {

void tell(const TrackedTable& table, bool dry_run) {
  const bool left = table.relation.empty();
  std::string line = printable(table.table);
  if (left)
    line += ": left as it is";
  else if (table.statements.empty())
    line += ": nothing to do";
  else
    line += dry_run ? ": would be changed" : ": changed";
  if (!table.routes.empty())
    line += fmt::format(", by {}", printable(fmt::format("{}", fmt::join(table.routes, ", "))));
  if (!table.note.empty()) line += fmt::format(" ({})", printable(table.note));
  say(line + '\n');
  if (!dry_run) return;
  for (const std::string& statement : table.statements) say(printable_lines(statement) + ";\n");
}

}  // namespace

void tell_tables(const TrackReport& report, bool dry_run, bool json) {
  for (const TrackedTable& table : report.tables) {
    if (!json) {
      tell(table, dry_run);
      continue;
    }
    say_json({{"table", table.table},
              {"relation", table.relation},
              {"routes", table.routes},
              {"note", table.note},
              {"statements", table.statements},
              {"dry_run", dry_run}});
  }
  if (report.tables.empty() && !json) say("no tables\n");
}

bool tell_findings(const std::vector<Finding>& findings, bool json) {
  using enum Finding::Severity;
  for (const auto severity : {error, warning, notice}) {
    for (const Finding& finding : findings) {
      if (finding.severity != severity) continue;
      if (json)
        say_json({{"severity", to_string(finding.severity)},
                  {"what", finding.what},
                  {"advice", finding.advice}});
      else
        say(fmt::format("{}: {}\n    {}\n", to_string(finding.severity), printable(finding.what),
                        printable(finding.advice)));
    }
  }
  if (findings.empty() && !json) say("nothing found\n");
  return std::ranges::any_of(findings, [](const Finding& one) { return one.severity != notice; });
}

}  // namespace querymark::cli

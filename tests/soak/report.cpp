#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "soak/soak.hpp"

namespace querymark::test::soak {

std::string for_people(const Report& report) {
  std::string text =
      fmt::format("\n{:<32}{:>10}{:>8}{:>8}{:>8}\n", "", "done", "stale", "late", "failed");
  for (const Kind& kind : report.kinds)
    text += fmt::format("{:<32}{:>10}{:>8}{:>8}{:>8}  {}\n", kind.name, kind.done, kind.stale,
                        kind.late, kind.failed, kind.first_failure.substr(0, 70));
  text += '\n' + report.logs;
  for (const std::string& finding : report.findings) text += finding + '\n';
  return text + fmt::format("seed {}: {} findings", report.options.seed, report.all_findings);
}

std::string as_json(const Report& report) {
  nlohmann::json kinds = nlohmann::json::object();
  for (const Kind& kind : report.kinds)
    kinds[kind.name] = {{"done", kind.done},
                        {"stale", kind.stale},
                        {"late", kind.late},
                        {"failed", kind.failed},
                        {"first_failure", kind.first_failure}};
  const nlohmann::json all{{"database", report.options.database},
                           {"seed", report.options.seed},
                           {"seconds", report.options.lasts.count()},
                           {"kinds", kinds},
                           {"troubles", report.troubles},
                           {"findings", report.all_findings},
                           {"first_findings", report.findings}};
  // Errors' texts may hold anything.
  return all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace querymark::test::soak

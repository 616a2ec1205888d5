#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <random>

#include "soak/soak.hpp"

int main(int argc, char** argv) try {
  namespace soak = querymark::test::soak;
  soak::Options options;
  options.seed = std::random_device{}();
  std::int64_t seconds = options.lasts.count();
  std::int64_t pause = options.pause.count();
  bool json = false;

  CLI::App app{
      "Processes read and write on one database through caches, while everything happens to them "
      "that can; each "
      "read is compared with what had been acknowledged before it began. Exit code 1: something "
      "was found."};
  app.add_option("--database", options.database, "sqlite or postgres")
      ->check(CLI::IsMember({"sqlite", "postgres"}))
      ->capture_default_str();
  app.add_option("--seconds", seconds, "How long things happen")->capture_default_str();
  app.add_option("--seed", options.seed, "Of all lots; a new one each time, which is printed");
  app.add_option("--pause", pause, "Milliseconds between two troubles, on average")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag(
      "--standby", options.standby,
      "PostgreSQL: some of the processes load from a standby, to which things happen, too");
  app.add_flag("--pgbouncer", options.pgbouncer,
               "PostgreSQL: some of them read and write through a PgBouncer, likewise");
  app.add_flag("--quiet", options.quiet, "Nothing happens to anybody");
  app.add_option("--forget", options.forget,
                 "One write in so many drops its invalidations: the soak must find that");
  app.add_flag("--stop-at-findings", options.stop_at_findings, "End when something was found");
  app.add_flag("--json", json, "Report as one JSON object, on the last line");
  CLI11_PARSE(app, argc, argv);
#ifndef QUERYMARK_SOAK_POSTGRES
  if (options.database == "postgres") throw std::runtime_error("built without PostgreSQL");
#endif
  if (options.database != "postgres" && (options.standby || options.pgbouncer))
    throw std::runtime_error("--standby and --pgbouncer need --database postgres");
  options.lasts = std::chrono::seconds(seconds);
  options.pause = std::chrono::milliseconds(pause);
  fmt::print("querymark_soak --database {} --seconds {} --pause {} --seed {}{}{}\n",
             options.database, seconds, pause, options.seed, options.standby ? " --standby" : "",
             options.pgbouncer ? " --pgbouncer" : "");
  std::fflush(stdout);  // before processes are forked, or each has it in its buffer
  const soak::Report report = soak::soak(options);
  fmt::print("{}\n", json ? soak::as_json(report) : soak::for_people(report));
  return report.good() ? 0 : 1;
} catch (const std::exception& failure) {
  fmt::print(stderr, "querymark_soak: {}\n", failure.what());
  return 1;
}

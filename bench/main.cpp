#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>

#include "plot.hpp"
#include "propagate.hpp"
#include "rounds.hpp"

namespace {

using namespace querymark::bench;

struct Bench {
  std::string_view name;
  void (*run)(const Options&, Report&);
};

constexpr Bench kBenches[] = {
    {"hit", bench_hit},
    {"hit_one_key", bench_hit_one_key},
#ifdef QUERYMARK_BENCH_ASIO
    {"async_hit", bench_async_hit},
#endif
    {"automatic_hit", bench_automatic_hit},
    {"mixed", bench_mixed},
    {"memory", bench_memory},
    {"trace", bench_trace},
    {"invalidate", bench_invalidate},
    {"false_invalidation", bench_false_invalidation},
    {"herd", bench_herd},
    {"propagate", bench_propagate},
    {"drain", bench_drain},
    {"fan", bench_fan},
    {"followers", bench_followers},
    {"read", bench_read},
    {"fetch_many", bench_fetch_many},
    {"strong", bench_strong},
    {"wait", bench_wait},
    {"write", bench_write},
#ifdef QUERYMARK_BENCH_CATALOGUE
    {"precision", bench_precision},
#endif
    {"track_cost", bench_track_cost},
    {"analyse", bench_analyse},
};

const Bench* find(std::string_view name) {
  for (const Bench& bench : kBenches)
    if (bench.name == name) return &bench;
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{"Measures querymark beside its peers. Without names: all but trace."};
  Options options;
  std::vector<std::string> names;
  bool json = false;
  std::size_t serve = 0;
  app.add_option("names", names, "benchmarks to run");
  app.add_flag("--json", json, "one JSON object a line on standard output, and nothing else");
  app.add_option("--trace", options.trace, "trace file, for the benchmark `trace`");
  app.add_option("--size", options.size, "entries that the cache may hold, for `trace`");
  app.add_option("--runs", options.runs, "runs of each subject")->check(CLI::Range(1, 1000));
  app.add_option("--subject", options.subject, "measure only this subject");
  app.add_option("--serve", serve, "serve this many hits of --subject and measure nothing");
  std::string watch, beside;
  unsigned rate = 1000;
  app.add_option("--watch", watch)->group("");  // see propagate.hpp
  app.add_option("--write-beside", beside)->group("");
  app.add_option("--rate", rate)->group("");
  std::string plot;
  app.add_option("--plot", plot, "write the figures of the first name to this SVG file");
  CLI11_PARSE(app, argc, argv);
  if (serve > 0) {
    serve_hits(options.subject, serve);
    return 0;
  }
  if (!watch.empty()) watch_probe(watch);
  if (!beside.empty()) write_beside(beside, rate);
  if (names.empty())
    for (const Bench& bench : kBenches)
      if (bench.name != "trace" || !options.trace.empty()) names.emplace_back(bench.name);
  for (const std::string& name : names)
    if (find(name) == nullptr) {
      std::fprintf(stderr, "bench: no benchmark \"%s\"\n", name.c_str());
      return 2;
    }
  Report report(json);
  for (const std::string& name : names) find(name)->run(options, report);
  if (report.figures().empty()) {
    std::fprintf(stderr, "bench: nothing was measured\n");
    return 1;
  }
  if (!plot.empty()) write_plot(plot, names.front(), report.figures());
  return 0;
} catch (const std::exception& failure) {
  std::fprintf(stderr, "bench: %s\n", failure.what());
  return 1;
}

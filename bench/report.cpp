#include "report.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace querymark::bench {

double Figure::median() const {
  std::vector<double> sorted = runs;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

double Figure::min() const { return *std::min_element(runs.begin(), runs.end()); }

double Figure::max() const { return *std::max_element(runs.begin(), runs.end()); }

void Report::add(Figure figure) {
  if (json_) {
    nlohmann::ordered_json line{{"bench", figure.bench},     {"subject", figure.subject},
                                {"threads", figure.threads}, {"value", figure.median()},
                                {"unit", figure.unit},       {"min", figure.min()},
                                {"max", figure.max()},       {"runs", figure.runs.size()}};
    for (const auto& [key, value] : figure.more) line[key] = value;
    std::printf("%s\n", line.dump().c_str());
  } else {
    if (figure.bench != last_bench_) std::printf("\n%s\n", figure.bench.c_str());
    last_bench_ = figure.bench;
    std::printf("  %-28s %zu thread%s %12.4g %-8s (%.4g to %.4g, %zu runs)", figure.subject.c_str(),
                figure.threads, figure.threads == 1 ? " " : "s", figure.median(),
                figure.unit.c_str(), figure.min(), figure.max(), figure.runs.size());
    for (const auto& [key, value] : figure.more) std::printf("  %s %.4g", key.c_str(), value);
    std::printf("\n");
  }
  std::fflush(stdout);
  figures_.push_back(std::move(figure));
}

void Report::absent(std::string_view bench, std::string_view subject, std::string_view package) {
  std::fflush(stdout);
  const std::string name(package);
  std::fprintf(stderr, "ABSENT: %s of %s: needs %s; apt-get install %s, or tools/bench --install\n",
               std::string(subject).c_str(), std::string(bench).c_str(), name.c_str(),
               name.c_str());
}

const Figure* Report::find(std::string_view bench, std::string_view subject,
                           std::size_t threads) const {
  for (const Figure& figure : figures_)
    if (figure.bench == bench && figure.subject == subject && figure.threads == threads)
      return &figure;
  return nullptr;
}

}  // namespace querymark::bench

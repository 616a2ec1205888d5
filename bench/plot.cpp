#include "plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace querymark::bench {
namespace {

constexpr int kRow = 22;
constexpr int kLabel = 250;
constexpr int kBars = 480;
constexpr int kRight = 120;

}  // namespace

void write_plot(const std::string& path, const std::string& bench,
                const std::vector<Figure>& figures) {
  std::vector<const Figure*> shown;
  for (const Figure& figure : figures)
    if (figure.bench == bench) shown.push_back(&figure);
  if (shown.empty()) throw std::runtime_error("nothing to plot of " + bench);
  double longest = 0;
  for (const Figure* figure : shown) longest = std::max(longest, figure->max());
  const int height = kRow * static_cast<int>(shown.size()) + 50;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
      "{1}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" "
      "fill=\"white\"/>\n<text x=\"10\" y=\"22\" font-size=\"15\">{2}, {3}: median, least and "
      "greatest run</text>\n",
      kLabel + kBars + kRight, height, bench, shown.front()->unit);
  int y = 40;
  for (const Figure* figure : shown) {
    const auto at = [&](double value) { return kLabel + value / longest * kBars; };
    const bool ours = figure->subject.starts_with("querymark");
    svg += fmt::format(
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}, {} thread{}</text>\n<rect x=\"{}\" "
        "y=\"{}\" "
        "width=\"{:.1f}\" height=\"14\" fill=\"{}\"/>\n<line x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{}\" "
        "y2=\"{}\" stroke=\"black\"/>\n<text x=\"{:.1f}\" y=\"{}\">{:.4g}</text>\n",
        kLabel - 8, y + 11, figure->subject, figure->threads, figure->threads == 1 ? "" : "s",
        kLabel, y, at(figure->median()) - kLabel, ours ? "#2a6f97" : "#b8b8b8", at(figure->min()),
        at(figure->max()), y + 7, y + 7, at(figure->max()) + 6, y + 11, figure->median());
    y += kRow;
  }
  svg += "</svg>\n";
  std::ofstream file(path);
  if (!(file << svg).flush()) throw std::runtime_error("can't write " + path);
}

}  // namespace querymark::bench

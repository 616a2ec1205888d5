#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace querymark::bench {

/// One measured figure: several runs of one subject. The value is their median.
struct Figure {
  std::string bench;
  std::string subject;
  std::size_t threads = 1;
  std::string unit;
  std::vector<double> runs;
  std::map<std::string, double> more;  ///< Further keys, such as "hit_ratio".

  [[nodiscard]] double median() const;
  [[nodiscard]] double min() const;
  [[nodiscard]] double max() const;
};

/// Where figures go: a table for people, or one JSON object a line. Remembers them, for checks.
class Report {
 public:
  explicit Report(bool json) noexcept : json_(json) {}

  void add(Figure figure);
  /// A subject whose package is missing: said loudly on standard error, and no figure.
  void absent(std::string_view bench, std::string_view subject, std::string_view package);
  /// The figure, or null.
  [[nodiscard]] const Figure* find(std::string_view bench, std::string_view subject,
                                   std::size_t threads = 1) const;
  [[nodiscard]] const std::vector<Figure>& figures() const noexcept { return figures_; }

 private:
  bool json_;
  std::string last_bench_;
  std::vector<Figure> figures_;
};

}  // namespace querymark::bench

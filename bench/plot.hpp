#pragma once

#include <string>
#include <vector>

#include "report.hpp"

namespace querymark::bench {

/// Writes a bar chart of the figures, as SVG: one bar for each subject and number of threads, as
/// long as its median, with a line from the least to the greatest run. Throws when the file can't
/// be written.
void write_plot(const std::string& path, const std::string& bench,
                const std::vector<Figure>& figures);

}  // namespace querymark::bench

#pragma once

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "support/child.hpp"
#include "support/temp_dir.hpp"

namespace querymark::test {

/// The text as another program's parser has understood it; what it said when it did not.
inline std::string reread(const std::string& form, const std::string& text) {
  const TempDir dir;
  const std::string path = dir.file("metrics");
  std::ofstream(path, std::ios::binary) << text;
  const Finished done = run({"/usr/bin/python3", QUERYMARK_READ_METRICS, form, path});
  return done.code == 0 ? done.output : "not understood: " + done.output;
}

/// Samples of a Prometheus page: `name {"label": "value"} 1.0`.
inline std::set<std::string> samples_of(const std::string& page) {
  std::istringstream lines(reread("prometheus", page));
  std::set<std::string> samples;
  for (std::string line; std::getline(lines, line);) samples.insert(line);
  return samples;
}

}  // namespace querymark::test

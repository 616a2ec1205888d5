#include "blocks.hpp"

#include <fstream>
#include <stdexcept>

namespace querymark::test {

std::vector<std::string> blocks_of(const std::string& document, const std::string& language) {
  std::ifstream file(document);
  if (!file) throw std::runtime_error("can't read " + document);
  const std::string fence = "```";
  std::vector<std::string> found;
  bool inside = false;
  bool wanted = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(fence)) {
      wanted = !inside && line == fence + language;
      inside = !inside;
      if (wanted) found.emplace_back();
    } else if (wanted) {
      found.back() += line + '\n';
    }
  }
  if (found.empty()) throw std::runtime_error(document + " has no block of " + language);
  return found;
}

}  // namespace querymark::test

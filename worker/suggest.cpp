#include "suggest.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace querymark::cli {
namespace {

// Levenshtein's: letters inserted, deleted or replaced.
std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string suggest(std::string_view word, std::span<const std::string> known) {
  std::string near;
  std::string all;
  for (const std::string& name : known) {
    const auto add = [&](std::string& list) { list += (list.empty() ? "" : " or ") + name; };
    add(all);
    if (edits(word, name) <= 2 || (!word.empty() && name.starts_with(word))) add(near);
  }
  return near.empty() ? all : near;
}

}  // namespace querymark::cli

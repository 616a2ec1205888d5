#pragma once

#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/support/bytes.hpp"

namespace querymark::test {

/// The parts of `text` between separators; empty parts count.
inline std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    parts.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

/// The lines of a file of test vectors, split at `|`; comments are left out.
inline std::vector<std::vector<std::string>> read_vectors(const std::string& name) {
  std::ifstream file(std::string(QUERYMARK_TEST_DATA) + '/' + name);
  if (!file) throw std::runtime_error("there is no file of test vectors named " + name);
  std::vector<std::vector<std::string>> vectors;
  for (std::string line; std::getline(file, line);)
    if (!line.starts_with('#')) vectors.push_back(split(line, '|'));
  return vectors;
}

/// The bytes that a vector spells in hexadecimal.
inline std::string unhex(std::string_view hex) { return from_hex(hex).value(); }

}  // namespace querymark::test

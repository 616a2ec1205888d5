#include "input_text.hpp"

#include <fstream>
#include <iostream>
#include <iterator>

#include "querymark/support/error.hpp"

namespace querymark::cli {
namespace {

std::string all_of(std::istream& stream) {
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

}  // namespace

std::string input_text(const std::string& file) {
  try {
    if (file == "-") return all_of(std::cin);
    std::ifstream stream(file, std::ios::binary);
    if (!stream.is_open()) throw ConfigError("can't open " + file);
    return all_of(stream);
  } catch (const std::ios_base::failure&) {  // a folder, or a disk that fails
    throw ConfigError("can't read " + file);
  }
}

}  // namespace querymark::cli

#pragma once

#include <fstream>
#include <string>

namespace querymark::test {

/// Whether a thread of this process, by its kernel id, sleeps in the kernel.
inline bool is_asleep(long thread) {
  std::ifstream in("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string text;
  std::getline(in, text);
  const std::size_t name_end = text.rfind(") ");
  return name_end != std::string::npos && text[name_end + 2] == 'S';
}

}  // namespace querymark::test

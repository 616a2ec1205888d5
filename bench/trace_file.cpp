#include "trace_file.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string_view>

namespace querymark::bench {
namespace {

// The file's bytes through `program`, which unpacks standard input to standard output. No shell, so
// any path will do.
std::string unpack(const std::string& path, const char* program) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw std::runtime_error("can't open " + path);
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("no pipe");
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("no process");
  if (child == 0) {
    dup2(file, STDIN_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execlp(program, program, "-dc", static_cast<char*>(nullptr));
    _exit(127);
  }
  close(file);
  close(ends[1]);
  std::string bytes;
  char block[1 << 16];
  for (ssize_t got = 0; (got = read(ends[0], block, sizeof(block))) > 0;)
    bytes.append(block, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) throw std::runtime_error(std::string(program) + " could not unpack " + path);
  return bytes;
}

bool is_text(std::string_view bytes) noexcept {
  return std::ranges::all_of(bytes.substr(0, 4096), [](char c) {
    return (c >= '0' && c <= '9') || c == '*' || c == '\n' || c == '\r' || c == ' ' || c == '\t';
  });
}

std::vector<std::uint32_t> parse_lines(std::string_view text) {
  std::vector<std::uint32_t> keys;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    std::uint32_t key = 0;
    if (std::from_chars(line.data(), line.data() + line.size(), key).ec == std::errc{})
      keys.push_back(key);
  }
  return keys;
}

std::vector<std::uint32_t> parse_numbers(std::string_view bytes) {
  std::vector<std::uint32_t> keys;
  keys.reserve(bytes.size() / 4);
  for (std::size_t at = 0; at + 4 <= bytes.size(); at += 4) {
    std::uint32_t key = 0;
    for (std::size_t i = 0; i < 4; ++i) key = key << 8U | static_cast<unsigned char>(bytes[at + i]);
    keys.push_back(key);
  }
  return keys;
}

}  // namespace

std::vector<std::uint32_t> read_trace(const std::string& path) {
  std::string bytes;
  if (path.ends_with(".xz") || path.ends_with(".gz")) {
    bytes = unpack(path, path.ends_with(".xz") ? "xz" : "gzip");
  } else {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("can't open " + path);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  std::vector<std::uint32_t> keys = is_text(bytes) ? parse_lines(bytes) : parse_numbers(bytes);
  if (keys.empty()) throw std::runtime_error("no keys in " + path);
  return keys;
}

}  // namespace querymark::bench

#include "whole_text.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "querymark/support/error.hpp"
#include "querymark/support/wake_event.hpp"

namespace querymark::cli {
namespace {

std::string reason() { return " (" + std::generic_category().message(errno) + ')'; }

// What its size says need not be what comes: of a pipe, a device, or a file in /proc it says nothing.
std::string all_of(int file, const std::string& named, std::size_t most_mib) {
  std::string text;
  std::array<char, 65536> piece;
  for (;;) {
    const ssize_t got = ::read(file, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw ConfigError(named + " can't be read" + reason());
    if (got == 0) return text;
    if (text.size() + static_cast<std::size_t>(got) > most_mib << 20U)
      throw ConfigError(named + " has more than " + std::to_string(most_mib) + " MiB");
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

std::string text_of_file(const std::string& path, const std::string& name, std::size_t most_mib) {
  const std::string named = name + ' ' + path;
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) throw ConfigError(named + " can't be opened" + reason());
  return all_of(file.get(), named, most_mib);
}

std::string text_of_input(const std::string& path, const std::string& name, std::size_t most_mib) {
  if (path != "-") return text_of_file(path, name, most_mib);
  return all_of(STDIN_FILENO, "standard input", most_mib);
}

}  // namespace querymark::cli

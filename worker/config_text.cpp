#include "config_text.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "querymark/support/error.hpp"
#include "querymark/support/wake_event.hpp"

namespace querymark::cli {

std::string config_text(const std::string& path, const std::string& option) {
  const auto refuse = [&](const std::string& why) {
    throw ConfigError("the file of " + option + ' ' + why + ": " + path);
  };
  const auto reason = [] { return std::generic_category().message(errno); };
  // A pipe is waited for (`--config <(pass show shop)`), until a signal ends that; nothing else is.
  struct stat named{};
  const bool pipe = ::stat(path.c_str(), &named) == 0 && S_ISFIFO(named.st_mode);
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | (pipe ? 0 : O_NONBLOCK)));
  if (file.get() < 0) refuse("can't be opened (" + reason() + ')');
  struct stat found{};
  if (::fstat(file.get(), &found) != 0) refuse("can't be looked at (" + reason() + ')');
  if (!S_ISREG(found.st_mode) && !S_ISFIFO(found.st_mode))
    refuse("is neither a regular file nor a pipe");
  // What its size says need not be what comes: of files in /proc it says nothing.
  std::string text(kLargestConfig + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse("can't be read (" + reason() + ')');
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > kLargestConfig) refuse("has more than 1 MiB");
  text.resize(size);
  return text;
}

}  // namespace querymark::cli

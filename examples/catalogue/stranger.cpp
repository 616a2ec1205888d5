#include "stranger.hpp"

#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace catalogue {

Stranger::Stranger(const std::string& program, const std::string& database)
    : Stranger(program, database, make_pipe(), make_pipe()) {}

Stranger::Stranger(const std::string& program, const std::string& database, Pipe to, Pipe from)
    : to_(std::move(to.second)),
      from_(std::move(from.first)),
      process_({program, database}, {.in = to.first.get(), .out = from.second.get(), .err = -1}) {}

void Stranger::run(const std::string& sql) {
  std::string text = sql;
  text += '\n';
  // Shorter than a pipe takes at once.
  if (write(to_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw std::system_error(errno, std::generic_category(), "the stranger has gone");
  std::string said;
  for (char c = 0; read(from_.get(), &c, 1) == 1 && c != '\n';) said += c;
  if (said != "ok") throw std::runtime_error("the stranger: " + (said.empty() ? "has gone" : said));
}

}  // namespace catalogue

#include "confirm.hpp"

#include <unistd.h>

#include <cerrno>

#include "output.hpp"
#include "printable.hpp"

namespace querymark::cli {

bool confirm(const std::string& question, bool json) {
  const bool asks = !json || ::isatty(STDIN_FILENO) != 0;
  if (asks) complain(printable(question) + " [y/N] ");
  char answer = 0;  // the first letter decides; what may follow is not waited for
  while (::read(STDIN_FILENO, &answer, 1) < 0 && errno == EINTR) {
  }
  if (asks && answer == 0) complain("\n");
  return answer == 'y' || answer == 'Y';
}

}  // namespace querymark::cli

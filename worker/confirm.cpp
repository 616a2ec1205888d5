#include "confirm.hpp"

#include <unistd.h>

#include <cerrno>

#include "output.hpp"
#include "printable.hpp"

namespace querymark::cli {

bool confirm(const std::string& question) {
  complain(printable(question) + " [y/N] ");
  char answer = 0;  // the first letter decides; what may follow is not waited for
  while (::read(STDIN_FILENO, &answer, 1) < 0 && errno == EINTR) {
  }
  if (answer == 0) complain("\n");
  return answer == 'y' || answer == 'Y';
}

}  // namespace querymark::cli

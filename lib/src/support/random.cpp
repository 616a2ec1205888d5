#include "querymark/support/random.hpp"

#include <sys/random.h>

#include <cerrno>

#include "querymark/support/error.hpp"

namespace querymark {

std::uint64_t random_u64() {
  std::uint64_t value = 0;
  // Requests of up to 256 bytes are never cut short once the generator is seeded; a signal can
  // interrupt the wait for the seed.
  while (getrandom(&value, sizeof(value), 0) != sizeof(value))
    if (errno != EINTR)
      throw Error("getrandom failed: no random numbers from the operating system");
  return value;
}

}  // namespace querymark

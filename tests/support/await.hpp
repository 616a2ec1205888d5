#pragma once

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

namespace querymark::test {

/// Returns once `holds()`: asked again and again, for what nobody tells of. Throws with `what` if that
/// takes longer than `within`; what `holds` throws goes on.
template <class Holds>
void await(const std::string& what, std::chrono::nanoseconds within, Holds&& holds) {
  const auto deadline = std::chrono::steady_clock::now() + within;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error(std::string("it never came to this: ").append(what));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace querymark::test

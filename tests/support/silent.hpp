#pragma once

#include <chrono>

#include "querymark/log/doorbell.hpp"
#include "querymark/read/running_read.hpp"

namespace querymark::test {

/// A doorbell that never rings, and does not keep who waits.
class SilentDoorbell final : public Doorbell {
 public:
  void wait(std::chrono::nanoseconds /*timeout*/) override {}
  void interrupt() override {}
};

/// Nobody is woken: the test looks by itself.
struct SilentWaker final : ReadWaker {
  void wake() noexcept override {}
};

}  // namespace querymark::test

#pragma once

#include <chrono>

namespace querymark::test {

/// The machine sleeps for `span`, as far as this program can tell: CLOCK_BOOTTIME leaps, the
/// monotonic clocks have stood still. What links this reads its clocks through it. Returns once the
/// coarse clock has moved, as the kernel sees to on the way down.
void suspend_machine(std::chrono::seconds span);

}  // namespace querymark::test

#pragma once

namespace querymark::test {

/// From now on, this thread's `step`-th call by which SQLite locks or changes a file is not made:
/// the process ends there, by SIGKILL.
void die_at(int step);

}  // namespace querymark::test

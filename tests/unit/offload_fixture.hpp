#pragma once

#include <functional>
#include <future>

namespace querymark::test {

// A task that runs until it is let go.
struct HeldTask {
  std::promise<void> begun;
  std::promise<void> go;
  std::function<void()> task() {
    return [this, may = go.get_future().share()] {
      begun.set_value();
      may.wait();
    };
  }
  void await_begin() { begun.get_future().wait(); }
};

// Owners of tasks, by their addresses.
inline const int kMe = 0;
inline const int kOther = 0;

}  // namespace querymark::test

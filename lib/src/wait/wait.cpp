#include "querymark/wait/wait.hpp"

#include <algorithm>

#include "querymark/support/error.hpp"

namespace querymark {

Wait Wait::shared(std::vector<std::string> targets, TimeSpan timeout) {
  if (targets.empty()) throw ConfigError("a wait for shared targets names at least one");
  Wait wait(Scope::shared, detail::not_negative(timeout, "the timeout of a wait"));
  std::ranges::sort(targets);
  const auto twice = std::ranges::unique(targets);
  targets.erase(twice.begin(), twice.end());
  wait.targets_ = std::move(targets);
  return wait;
}

std::string_view to_string(WaitStatus status) noexcept {
  switch (status) {
    case WaitStatus::satisfied:
      return "satisfied";
    case WaitStatus::degraded:
      return "degraded";
    case WaitStatus::timed_out:
      return "timed out";
    case WaitStatus::refused:
      return "refused";
  }
  return "unknown";
}

}  // namespace querymark

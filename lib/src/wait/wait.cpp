#include "querymark/wait/wait.hpp"

namespace querymark {

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

#include "querymark/read/read_caller.hpp"

#include <atomic>
#include <utility>

namespace querymark {
namespace {

constexpr CallerId kNobody{};

thread_local constinit CallerId leading = kNobody;
constinit std::atomic<std::uint64_t> last_caller{0};

}  // namespace

ReadCaller ReadCaller::here() noexcept {
  if (leading != kNobody) return {leading, true};
  return {static_cast<CallerId>(last_caller.fetch_add(1, std::memory_order_relaxed) + 1), false};
}

LeadingScope::LeadingScope(CallerId caller) noexcept : outer_(std::exchange(leading, caller)) {}
LeadingScope::~LeadingScope() { leading = outer_; }
bool LeadingScope::active() noexcept { return leading != kNobody; }

}  // namespace querymark

#include "fleet.hpp"

#include <algorithm>

namespace querymark::cli {

Fleet::~Fleet() {
  for (const auto& drain : drains_) drain->request_stop();
}

void Fleet::become(const std::vector<DrainSettings>& wanted) {
  std::vector<std::unique_ptr<Drain>> opened;
  for (const DrainSettings& settings : wanted) {
    const bool runs = std::ranges::any_of(
        drains_, [&](const auto& drain) { return drain->settings() == settings; });
    if (!runs) opened.push_back(std::make_unique<Drain>(settings, lines_));
  }
  const auto goes = std::ranges::partition(drains_, [&](const auto& drain) {
    return std::ranges::find(wanted, drain->settings()) != wanted.end();
  });
  for (const auto& drain : goes) drain->request_stop();
  drains_.erase(goes.begin(), goes.end());
  for (auto& drain : opened) {
    drain->start();
    drains_.push_back(std::move(drain));
  }
}

std::chrono::nanoseconds Fleet::silent_for() const {
  std::chrono::nanoseconds longest{0};
  for (const auto& drain : drains_) longest = std::max(longest, drain->silent_for());
  return longest;
}

std::uint64_t Fleet::applied() const {
  std::uint64_t sum = 0;
  for (const auto& drain : drains_) sum += drain->totals().applied;
  return sum;
}

}  // namespace querymark::cli

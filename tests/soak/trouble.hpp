#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "soak/lots.hpp"

namespace querymark::test::soak {

/// What has happened, and what ends it after a while.
struct Struck {
  std::string what;  ///< For people: "agent 2 is killed".
  std::chrono::milliseconds lasts{};
  std::function<void()> end{};
};

/// Something that can happen to a soak. It is begun, and ended later, so several last at the same time.
struct Trouble {
  std::string name;
  /// Begins it; nothing where it does not fit just now, since what it would happen to is away.
  std::function<std::optional<Struck>(Lots&)> strike;
};
using Troubles = std::vector<Trouble>;

}  // namespace querymark::test::soak

#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "support/child.hpp"
#include "support/shop.hpp"

// Needs PRICES_EXAMPLE, the path of examples/shared_tier.

namespace querymark::test {

/// Runs the example on a shop and a tier that are new: each call is a process of its own.
inline void check_prices_example(const Shop& shop, const std::string& tier) {
  using Catch::Matchers::Contains;
  const auto prices = [&](const std::vector<std::string>& arguments) {
    std::vector<std::string> command{PRICES_EXAMPLE, shop.path(), tier};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const Finished done = run(command);
    CHECK(done.code == 0);
    return done.output;
  };
  CHECK_THAT(prices({"price", "1"}), Contains("2.50, a miss"));
  CHECK_THAT(prices({"price", "1"}), Contains("2.50, a hit"));
  CHECK_THAT(prices({"set", "1", "12.5"}), Contains("1 row"));
  CHECK_THAT(prices({"price", "1"}), Contains("12.50, a miss"));
  CHECK_THAT(prices({"price", "1"}), Contains("12.50, a hit"));
}

}  // namespace querymark::test

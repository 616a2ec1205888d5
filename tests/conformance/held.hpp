#pragma once

#include <catch2/catch.hpp>

#include "logs.hpp"

namespace querymark::test {

inline constexpr std::chrono::milliseconds kDay = std::chrono::hours(24);

/// A consumer that is past its first flush, and holds a claim of one row more.
template <class Log>
struct Held {
  Log log;
  Receipt written;
  Claim claim;

  Held() {
    finish_first();
    written = log.write(batch({tag("a")}));
    claim = again();
  }
  void finish_first() {
    ClaimResult first = log.claims().claim("tier", "me", std::chrono::seconds(30));
    REQUIRE(log.claims().finish(first.claim));
  }
  Claim again(const std::string& owner = "me") {
    ClaimResult result = log.claims().claim("tier", owner, std::chrono::seconds(30));
    REQUIRE(result.status == ClaimStatus::claimed);
    return result.claim;
  }
  [[nodiscard]] bool leave(const Target& target, DeliveryState state = DeliveryState::pending,
                           OnDeath on_death = OnDeath::flush, std::chrono::milliseconds pause = {},
                           std::chrono::milliseconds lifetime = kDay) {
    return log.deliveries().record(claim,
                                   {.cursor = claim.upto,
                                    .left = {{.target = target,
                                              .first_position = written.position,
                                              .position = written.position,
                                              .state = state,
                                              .pause = pause,
                                              .error = "it's \"bad\" \xE2\x80\x94 %s"}},
                                    .applied = {},
                                    .lifetime = lifetime},
                                   on_death);
  }
  std::vector<DeliveryRow> rows() { return log.deliveries().list({.consumer = "tier"}); }
};

}  // namespace querymark::test

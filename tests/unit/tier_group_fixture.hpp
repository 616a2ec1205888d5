#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "querymark/tier/tier_group.hpp"
#include "support/gated_tier.hpp"
#include "support/tier_double.hpp"
#include "support/tier_values.hpp"

namespace querymark::test {

inline const Epoch kGroupEpoch{7, 8};

/// A tier of its own, that a test may slow down, break, and look into.
struct Place {
  explicit Place(const Clock& clock, std::string label)
      : gate(std::make_shared<GatedTier>(
            std::make_shared<TierDouble>(server, clock, 20'000, std::move(label)))) {}
  [[nodiscard]] std::string holds(const Digest& under) const {
    return text_in(gate->get("shop", under));
  }
  void put(const Digest& under, const SharedValue& value) const { gate->put("shop", under, value); }

  std::shared_ptr<TierDoubleServer> server = std::make_shared<TierDoubleServer>();
  std::shared_ptr<GatedTier> gate;
};

/// Two places, and groups of them.
struct Places {
  [[nodiscard]] SharedValue value(std::string_view text, std::uint64_t horizon = 5) const {
    SharedValue made = value_of(text, kGroupEpoch, horizon, tag("a"));
    made.stored = clock.wall_now();
    made.expires = made.stored + std::chrono::hours(1);
    return made;
  }
  [[nodiscard]] std::shared_ptr<TierGroup> group(TierGroupOptions options) const {
    return std::make_shared<TierGroup>("shop", options, first.gate, second.gate);
  }

  ManualClock clock;
  Place first{clock, "file"};
  Place second{clock, "redis"};
};

/// Takes what a test says, and counts how often it is asked.
struct Picky final : TierJudge {
  explicit Picky(std::function<bool(const SharedValue&)> likes) : likes_(std::move(likes)) {}
  [[nodiscard]] bool takes(const SharedValue& value) noexcept override {
    ++asked;
    return likes_(value);
  }
  int asked = 0;

 private:
  std::function<bool(const SharedValue&)> likes_;
};

/// A judge to whom only this text is good enough.
inline Picky only_text(std::string text) {
  return Picky(
      [text = std::move(text)](const SharedValue& value) { return text_in(value) == text; });
}

inline TierRead asked_for(const Digest& under, TierJudge* judge = nullptr) {
  return {.name = under, .value = {}, .judge = judge, .refills = {}};
}

}  // namespace querymark::test

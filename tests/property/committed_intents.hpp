#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "querymark/log/delivery.hpp"
#include "querymark/log/shared_invalidation.hpp"

namespace querymark::test {

/// A row of the log as it was committed.
struct CommittedIntent {
  Position position;
  std::optional<Target> target;  // nothing: malformed, so everything
  unsigned missing = 0;          // a bit for each shared target that has yet to be told
};

/// All that was committed in one history of one namespace, and which shared targets have been told
/// of it since.
class CommittedIntents {
 public:
  explicit CommittedIntents(std::size_t targets) : everybody_((1U << targets) - 1U) {}

  void add(Position position, const std::optional<Target>& target) {
    all_.push_back({position, target, everybody_});
  }
  void begin_anew() { all_.clear(); }
  /// The shared target has taken it.
  void apply(std::size_t at, const SharedInvalidation& taken) {
    for (CommittedIntent& each : all_) {
      const bool hit = taken.target.is_flush() || (each.target && *each.target == taken.target);
      if (hit && each.position <= taken.position) each.missing &= ~(1U << at);
    }
  }
  /// An operator has given up what this stood for, and all have forgotten that.
  void give_up(std::size_t at, const DeliveryRecord& record) {
    for (CommittedIntent& each : all_)
      if (stands_for(record, each)) each.missing &= ~(1U << at);
  }
  /// Whether it has been told of all that this stood for.
  [[nodiscard]] bool told(std::size_t at, const DeliveryRecord& record) const {
    return std::ranges::none_of(all_, [&](const CommittedIntent& each) {
      return is_missing(each, at) && stands_for(record, each);
    });
  }
  [[nodiscard]] static bool is_missing(const CommittedIntent& intent, std::size_t at) {
    return (intent.missing & (1U << at)) != 0;
  }
  [[nodiscard]] const std::vector<CommittedIntent>& all() const noexcept { return all_; }

 private:
  [[nodiscard]] static bool stands_for(const DeliveryRecord& record,
                                       const CommittedIntent& intent) {
    if (intent.position < record.first_position || intent.position > record.position) return false;
    if (record.target && record.target->is_flush()) return true;  // it has swallowed all there
    if (!record.target || !intent.target) return !record.target && !intent.target;
    return *record.target == *intent.target;
  }

  unsigned everybody_;
  std::vector<CommittedIntent> all_;  // in order of position
};

}  // namespace querymark::test

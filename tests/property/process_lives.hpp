#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "property/process_model.hpp"
#include "property/random.hpp"

// For how long results live by their rows, as the queries of one process say.

namespace querymark::test {

class Lives {
 public:
  explicit Lives(Choices& choices) {
    const auto span = [&](std::size_t most) {
      return std::chrono::milliseconds(choices.below(most));
    };
    if (choices.one_in(2)) empty_ = choices.one_in(5) ? span(1) : span(600);
    if (choices.one_in(3))
      by_version_ = {span(1), span(1500), span(3000), std::chrono::milliseconds(60'000)};
    if (choices.one_in(4)) refused_ = static_cast<std::int64_t>(choices.below(5));
    // By lot, so that such a world is another one each time.
    if (choices.one_in(20)) jitter_ = 0.5;
  }

  void say(ReadPolicy& policy) const {
    if (empty_) policy.empty_ttl = *empty_;
    if (by_version_)
      policy.ttl_of = [spans = *by_version_](const ResultSet& rows) -> TimeSpan {
        return spans[index(LoadedVersion::of(rows))];
      };
    if (refused_)
      policy.keep_if = RowsRule([refused = *refused_](const ResultSet& rows) {
        return LoadedVersion::of(rows).version % 5 != refused;
      });
    policy.jitter = jitter_;
  }

  /// Of a result of a query with this ttl; zero: it is not kept.
  [[nodiscard]] std::chrono::nanoseconds of(const LoadedVersion& loaded,
                                            std::chrono::nanoseconds ttl) const {
    if (refused_ && loaded.version % 5 == *refused_) return {};
    if (empty_ && loaded.absent) ttl = std::min<std::chrono::nanoseconds>(ttl, *empty_);
    if (by_version_) ttl = std::min<std::chrono::nanoseconds>(ttl, (*by_version_)[index(loaded)]);
    return ttl;
  }

 private:
  static constexpr std::size_t kSpans = 4;
  [[nodiscard]] static std::size_t index(const LoadedVersion& loaded) {
    return static_cast<std::size_t>(loaded.version) % kSpans;
  }

  std::optional<std::chrono::milliseconds> empty_;
  std::optional<std::array<std::chrono::milliseconds, kSpans>> by_version_;
  std::optional<std::int64_t> refused_;
  double jitter_ = 0;
};

}  // namespace querymark::test

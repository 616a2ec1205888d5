#pragma once

#include <string>
#include <string_view>

#include "querymark/tier/shared_tier.hpp"

namespace querymark::test {

/// A value of one row for a shared tier, that lives for an hour.
inline SharedValue value_of(std::string_view text, Epoch epoch, std::uint64_t horizon,
                            const Target& target) {
  ResultSetBuilder builder;
  builder.add_column("text");
  builder.add(ParameterView::text(text));
  const WallTime now = system_clock().wall_now();
  return {.stamp = {epoch, {horizon}, {}},
          .stored = now,
          .expires = now + std::chrono::hours(1),
          .targets = {target},
          .rows = std::move(builder).build()};
}

inline SharedValue value_of(std::string_view text) {
  return value_of(text, Epoch{1, 1}, 5, tag("a"));
}

/// What `value_of` put into it; "none" for a miss.
inline std::string text_in(const std::optional<SharedValue>& value) {
  return value ? std::string(value->rows.row(0)[0].view()) : "none";
}

inline Digest name(int i) { return sha256({"test", std::to_string(i)}); }

}  // namespace querymark::test

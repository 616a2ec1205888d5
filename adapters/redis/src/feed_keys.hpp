#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "feed_call.hpp"
#include "querymark/feed/certificate.hpp"

namespace querymark::redis {

/// The keys of one log's feed, all in one slot of a cluster.
struct FeedKeys {
  FeedKeys(const std::string& prefix, const FeedName& name);

  std::uint16_t slot = 0;
  std::string stream, beat, asks, news, rings, control;
  std::vector<std::string> buckets;

  /// Each with the type of what belongs there.
  [[nodiscard]] std::vector<std::pair<std::string_view, std::string_view>> types() const;
};

/// Adds a command for each key that puts aside what is of another type than belongs there, under the
/// key's name and `:aside`, for a week. It is answered by 1, and by 0 where nothing is to be done. A
/// server does each at once, so that what another process has mended meanwhile stays.
void add_put_aside(FeedCall& call, const FeedKeys& keys);

}  // namespace querymark::redis

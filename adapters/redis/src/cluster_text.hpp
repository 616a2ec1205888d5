#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol.hpp"

// What the nodes of a Redis Cluster say of it. Nobody vouches for it: what can't be read is left out.

namespace querymark::redis {

/// Where a node says that another is, or itself. No host: that of whoever says it.
struct Place {
  std::string host{};  ///< A name or an address without brackets.
  std::string port{};
  friend bool operator==(const Place&, const Place&) = default;
};

/// A node that has slots, or may come to have some.
struct Owner {
  Place place{};
  std::string hostname{};  ///< As it announces itself; empty: it does not.
  /// The first and the last of each range.
  std::vector<std::pair<std::uint16_t, std::uint16_t>> slots{};
};

/// Reads the answer to CLUSTER NODES: all masters.
[[nodiscard]] std::vector<Owner> owners_in(std::string_view cluster_nodes);

/// The answer of a node that does not have the slot of a command's key.
struct Redirect {
  bool once = false;  ///< ASK: for this command alone, which comes behind ASKING. Else MOVED.
  std::uint16_t slot = 0;
  Place place{};
};
[[nodiscard]] std::optional<Redirect> redirect_in(const Reply& reply);

}  // namespace querymark::redis

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace querymark::memcached {

/// Where a server is.
struct Endpoint {
  std::string host{};  ///< A name or an address without brackets; empty: `path` is meant.
  std::string port{};
  std::string path{};  ///< Of a unix socket.

  /// One spelling for each, by which it has its place in the ring: `a:11211`, `unix:/run/m`.
  [[nodiscard]] std::string label() const;
};

/// Reads what MemcachedTier takes; in the order of their labels. Throws ConfigError.
[[nodiscard]] std::vector<Endpoint> parsed_servers(std::string_view text);

/// Which server has which name: each stands at many points of a ring, and has what lies before
/// them. Another server more or less moves its own share alone.
class Ring {
 public:
  explicit Ring(const std::vector<std::string>& labels);
  /// Index of the label that has what hashes to this.
  [[nodiscard]] std::size_t owner(std::uint64_t hash) const noexcept;

 private:
  std::vector<std::pair<std::uint64_t, std::size_t>> points_;  // sorted
};

}  // namespace querymark::memcached

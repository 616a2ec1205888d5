#pragma once  // For writers of ports.

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "querymark/support/bytes.hpp"

namespace querymark {

/// A SHA-256 digest: the name of a key or a target where several processes must agree on it.
struct Digest {
  std::array<std::uint8_t, 32> bytes{};

  [[nodiscard]] ByteView view() const noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  [[nodiscard]] std::string hex() const { return to_hex(view()); }
  friend bool operator==(const Digest&, const Digest&) = default;
  friend auto operator<=>(const Digest&, const Digest&) = default;
};

/// SHA-256 (FIPS 180-4, by OpenSSL) over the parts, each preceded by its length as 64-bit
/// big-endian, so that no two lists of parts share an input. The first part is the domain tag.
/// Thread-safe; reuses one context per thread. Throws Error when OpenSSL refuses (a build without
/// SHA-256).
[[nodiscard]] Digest sha256(std::initializer_list<ByteView> parts);

/// Hash for use inside this process only: XXH3-64 under a secret drawn at process start, so that
/// nobody outside can make keys collide. Never stored, never sent.
[[nodiscard]] std::uint64_t process_hash(ByteView bytes) noexcept;

/// XXH3-64 without a secret: a checksum against accidents, not against attackers.
[[nodiscard]] std::uint64_t checksum(ByteView bytes) noexcept;

}  // namespace querymark

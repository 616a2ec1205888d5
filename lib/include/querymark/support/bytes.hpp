#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace querymark {

/// A text view with a length, used for bytes too: equality is by content, NUL has no meaning.
using ByteView = std::string_view;

namespace detail {

/// Appends `value` little-endian. `Sink` needs `append(const char*, std::size_t)`.
template <class Sink, class Integer>
void put_integer(Sink& sink, Integer value) {
  char raw[sizeof(Integer)];
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(raw, &value, sizeof(Integer));
    sink.append(raw, sizeof(Integer));
    return;
  }
  auto bits = static_cast<std::uint64_t>(value);
  for (std::size_t i = 0; i < sizeof(Integer); ++i) raw[i] = static_cast<char>(bits >> (8 * i));
  sink.append(raw, sizeof(Integer));
}

/// Appends a 32-bit length and the bytes. Requires: fewer than 2^32 bytes (callers bound their
/// input).
template <class Sink>
void put_block(Sink& sink, ByteView bytes) {
  put_integer(sink, static_cast<std::uint32_t>(bytes.size()));
  sink.append(bytes.data(), bytes.size());
}

/// Reads what `put_integer` / `put_block` wrote, from bytes that nobody vouches for: every read is
/// checked, and after the first failed one all further reads fail.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) noexcept : rest_(bytes) {}

  template <class Integer>
  [[nodiscard]] std::optional<Integer> integer() noexcept {
    auto raw = take(sizeof(Integer));
    if (!raw) return std::nullopt;
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < sizeof(Integer); ++i)
      bits |= static_cast<std::uint64_t>(static_cast<unsigned char>((*raw)[i])) << (8 * i);
    return static_cast<Integer>(bits);
  }
  [[nodiscard]] std::optional<ByteView> block() noexcept {
    auto size = integer<std::uint32_t>();
    return size ? take(*size) : std::nullopt;
  }
  [[nodiscard]] std::optional<ByteView> take(std::size_t count) noexcept {
    if (failed_ || count > rest_.size()) {
      failed_ = true;
      return std::nullopt;
    }
    auto part = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return part;
  }
  [[nodiscard]] ByteView rest() const noexcept { return rest_; }
  [[nodiscard]] bool at_end() const noexcept { return !failed_ && rest_.empty(); }

 private:
  ByteView rest_;
  bool failed_ = false;
};

}  // namespace detail

/// Lower-case hexadecimal of `bytes`.
[[nodiscard]] std::string to_hex(ByteView bytes);
/// The bytes that `hex` spells, or nothing when it is not lower- or upper-case hexadecimal of even
/// length.
[[nodiscard]] std::optional<std::string> from_hex(std::string_view hex);
/// True when `text` is valid UTF-8 (no surrogates, no overlong forms) and holds no NUL.
[[nodiscard]] bool is_plain_utf8(std::string_view text) noexcept;

}  // namespace querymark

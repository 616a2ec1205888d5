#pragma once  // For writers of ports.

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

/// Copies like memcpy, but short blocks without a call. The ranges must not overlap.
[[gnu::always_inline]] inline void copy_bytes(char* to, const char* from,
                                              std::size_t size) noexcept {
  struct Block {
    std::uint64_t words[2];
  };
  const auto copy = [&]<class Piece>(std::size_t at, Piece piece) {
    std::memcpy(&piece, from + at, sizeof(Piece));
    std::memcpy(to + at, &piece, sizeof(Piece));
  };
  if (__builtin_constant_p(size) || size > 64) {
    if (size > 0) std::memcpy(to, from, size);  // an empty view may hold no address
  } else if (size >= 16) {
    copy(0, Block{});
    if (size > 32) {
      copy(16, Block{});
      copy(size - 32, Block{});
    }
    copy(size - 16, Block{});
  } else if (size >= 8) {
    copy(0, std::uint64_t{});
    copy(size - 8, std::uint64_t{});
  } else if (size >= 4) {
    copy(0, std::uint32_t{});
    copy(size - 4, std::uint32_t{});
  } else {
    for (std::size_t at = 0; at < size; ++at) to[at] = from[at];
  }
}

/// `a` and `b` have the same `size` bytes: short blocks without a call.
[[nodiscard, gnu::always_inline]] inline bool same_bytes(const char* a, const char* b,
                                                         std::size_t size) noexcept {
  const auto differ = [&]<class Word>(std::size_t at, Word) -> std::uint64_t {
    Word left, right;
    std::memcpy(&left, a + at, sizeof(Word));
    std::memcpy(&right, b + at, sizeof(Word));
    return left ^ right;
  };
  const auto differ_16 = [&](std::size_t at) {
    return differ(at, std::uint64_t{}) | differ(at + 8, std::uint64_t{});
  };
  if (size > 64) return std::memcmp(a, b, size) == 0;
  if (size > 32)
    return (differ_16(0) | differ_16(16) | differ_16(size - 32) | differ_16(size - 16)) == 0;
  if (size >= 16) return (differ_16(0) | differ_16(size - 16)) == 0;
  if (size >= 8) return (differ(0, std::uint64_t{}) | differ(size - 8, std::uint64_t{})) == 0;
  if (size >= 4) return (differ(0, std::uint32_t{}) | differ(size - 4, std::uint32_t{})) == 0;
  for (std::size_t at = 0; at < size; ++at)
    if (a[at] != b[at]) return false;
  return true;
}

/// Appends a 32-bit length and the bytes. Requires: fewer than 2^32 bytes (callers bound their
/// input).
template <class Sink>
[[gnu::always_inline]] inline void put_block(Sink& sink, ByteView bytes) {
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
/// Bytes of the UTF-8 sequence that `text` begins with, 0 when it is malformed (Unicode 15, table 3-7).
[[nodiscard]] std::size_t utf8_sequence(std::string_view text) noexcept;
/// True when `text` is valid UTF-8 (no surrogates, no overlong forms) and holds no NUL.
[[nodiscard]] bool is_plain_utf8(std::string_view text) noexcept;

}  // namespace querymark

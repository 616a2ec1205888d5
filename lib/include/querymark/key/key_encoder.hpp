#pragma once  // For writers of ports.

#include <bit>
#include <cstdint>
#include <cstring>

#include "querymark/key/key.hpp"
#include "querymark/key/parameters.hpp"

namespace querymark {

namespace detail {

__extension__ using Uint128 = unsigned __int128;

[[nodiscard]] inline std::uint64_t folded_product(std::uint64_t a, std::uint64_t b) noexcept {
  const Uint128 product = static_cast<Uint128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

template <class Word>
[[nodiscard]] inline std::uint64_t load_word(const char* at) noexcept {
  Word word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

/// Mixes a block into `hash`: folded products of 16 bytes at a time (after wyhash by Wang Yi), a
/// third of the instructions that XXH3 takes for 40 bytes; XXH3 above 128 bytes.
[[nodiscard, gnu::always_inline]] inline std::uint64_t mix_block(std::uint64_t hash, ByteView block,
                                                                 std::uint64_t secret) noexcept {
  const char* at = block.data();
  std::size_t size = block.size();
  if (size > 128) [[unlikely]]
    return folded_product(hash ^ process_hash(block), secret);
  if (size > 16) {
    for (; size > 16; at += 16, size -= 16)
      hash = folded_product(hash ^ load_word<std::uint64_t>(at),
                            secret ^ load_word<std::uint64_t>(at + 8));
    at = at + size - 16;  // back from the end: what is left is shorter than 16
    return folded_product(hash ^ load_word<std::uint64_t>(at),
                          secret ^ load_word<std::uint64_t>(at + 8));
  }
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  if (size >= 8) {
    first = load_word<std::uint64_t>(at);
    last = load_word<std::uint64_t>(at + size - 8);
  } else if (size >= 4) {
    first = load_word<std::uint32_t>(at);
    last = load_word<std::uint32_t>(at + size - 4);
  } else if (size > 0) {
    first = load_word<std::uint8_t>(at);
    last = load_word<std::uint8_t>(at + size / 2) << 8U | load_word<std::uint8_t>(at + size - 1);
  }
  return folded_product(hash ^ first, secret ^ last);
}

}  // namespace detail

/// Builds the key of one call on the caller's stack, and on the way its hash: from the parameters
/// themselves, so that it needs not wait until their encoding can be read back. Encodings of up to
/// 192 bytes lie inside, longer ones on the heap.
///
/// Not thread-safe. The prefix must outlive it.
class KeyEncoder {
 public:
  explicit KeyEncoder(const KeyPrefix& prefix) noexcept
      : prefix_(prefix), hash_(prefix.seed().hash) {}
  KeyEncoder(const KeyEncoder&) = delete;
  KeyEncoder& operator=(const KeyEncoder&) = delete;
  ~KeyEncoder() {
    if (data_ != inside_) [[unlikely]]
      release();
  }

  /// Throws ConfigError for a parameter of 4 GiB or more.
  [[gnu::always_inline]] void add(ParameterView parameter) {
    detail::encode_parameter(*this, parameter);
    const std::uint64_t secret = prefix_.seed().secret;
    // Times the secret: what a type or a length changes can't be undone by a chosen value.
    const auto type = static_cast<std::uint64_t>(parameter.type());
    if (parameter.has_bytes()) {
      const ByteView block = parameter.as_view();
      const auto element = static_cast<std::uint64_t>(parameter.element_type());  // of an array
      const std::uint64_t header = (type | element << 4U | block.size() << 8U) * secret;
      hash_ = detail::mix_block(hash_ ^ header, block, secret);
    } else {
      const auto value = parameter.type() == ValueType::float64
                             ? std::bit_cast<std::uint64_t>(parameter.as_float64())
                             : static_cast<std::uint64_t>(parameter.as_int64());
      hash_ = detail::folded_product(hash_ ^ type * secret, secret ^ value);
    }
  }

  /// One argument of a call: a value, or Parameters.
  template <HasParameterTraits Arg>
  [[gnu::always_inline]] void add_argument(const Arg& arg) {
    if constexpr (std::same_as<Arg, Parameters>) {
      for (const OwnedParameter& parameter : arg.all()) add(parameter);
    } else {
      add(as_parameter(arg));
    }
  }

  /// Valid as long as the encoder, and until the next `add`.
  [[nodiscard]] KeyView key() const noexcept { return {&prefix_, {data_, size_}}; }
  /// For use inside this process only: equal keys have equal hashes. Never stored, never sent.
  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }

  /// Both. Valid as long as the encoder, and until the next `add`.
  [[nodiscard]] CallKey call() const noexcept { return {key(), hash_}; }

  /// What `encode_parameter` writes to: of no use to others, since the hash must know it too.
  [[gnu::always_inline]] void append(const char* data, std::size_t size) {
    if (size > capacity_ - size_) [[unlikely]]
      grow(size);
    detail::copy_bytes(data_ + size_, data, size);
    size_ += size;
  }

 private:
  static constexpr std::size_t kInside = 192;
  void grow(std::size_t more);
  void release() noexcept;

  const KeyPrefix& prefix_;
  std::uint64_t hash_;
  char* data_ = inside_;
  std::size_t size_ = 0;
  std::size_t capacity_ = kInside;
  char inside_[kInside];
};

}  // namespace querymark

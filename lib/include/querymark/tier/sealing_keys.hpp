#pragma once  // For users.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/support/bytes.hpp"
#include "querymark/support/digest.hpp"

namespace querymark {

/// Keys by which values are sealed (AES-256-GCM) before a shared tier gets them, and opened
/// again. The first key seals, all of them open, so that keys can be changed while programs run.
///
/// Written one a line, or separated by commas: a name of 1 to 32 letters, digits, `_`, `-` and `.`, a
/// space or `=`, and 64 hexadecimal digits, such as `openssl rand -hex 32` gives. What follows a `#`
/// is a comment.
///
///     2026-11 <64 digits>     # seals
///     2026-05 <64 digits>     # still opens
///
/// Under one name is always the same key. Never shown in messages; removed from memory at the end.
/// Immutable, thread-safe.
class SealingKeys {
 public:
  static constexpr std::size_t kMostKeys = 16;

  /// Reads a file that must belong to the user of the process or to root, and that nobody else may
  /// read or write; of root's, a group may read. Throws ConfigError.
  [[nodiscard]] static std::shared_ptr<const SealingKeys> from_file(const std::string& path);
  /// Reads a variable of the environment, which stays there, for other readers of /proc too.
  /// Throws ConfigError.
  [[nodiscard]] static std::shared_ptr<const SealingKeys> from_environment(
      const std::string& variable);
  /// Throws ConfigError. The caller removes the text from its memory.
  [[nodiscard]] static std::shared_ptr<const SealingKeys> parsed(std::string_view text);

  SealingKeys(const SealingKeys&) = delete;
  SealingKeys& operator=(const SealingKeys&) = delete;
  ~SealingKeys();

  /// The name of the key that seals.
  [[nodiscard]] std::string_view sealing() const noexcept;
  [[nodiscard]] std::size_t size() const noexcept;
  /// Whether both hold the same keys under the same names, in the same order.
  friend bool operator==(const SealingKeys& a, const SealingKeys& b) noexcept;

  /// Appends to `out` the nonce, random for each call, the sealed `bytes` and their tag.
  /// `authenticated` is not hidden: opening refuses any other. Each name of a value has a key of its
  /// own, derived from the one that seals, so that nonces need differ only among the values of one
  /// name. Throws Error when OpenSSL refuses.
  void seal(std::string& out, const Digest& name, ByteView authenticated, ByteView bytes) const;
  /// What was sealed by the key of that name; nothing where any bit differs, or there is no such key.
  /// Throws Error when OpenSSL refuses.
  [[nodiscard]] std::optional<std::string> open(std::string_view key, const Digest& name,
                                                ByteView authenticated, ByteView sealed) const;

 private:
  struct Key;
  SealingKeys();

  std::vector<std::unique_ptr<const Key>> keys_;
};

}  // namespace querymark

#pragma once  // For writers of ports.

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "querymark/log/log_reader.hpp"
#include "querymark/mark/snapshot.hpp"
#include "querymark/support/bytes.hpp"

namespace querymark {

/// Whose log a feed hands on: a copy of a database is another one, and so is each namespace.
struct FeedName {
  std::string database_id;
  std::string namespace_name;
  friend bool operator==(const FeedName&, const FeedName&) = default;
};

/// A random number by which a follower knows the answer to its own question.
struct Nonce {
  std::uint64_t value = 0;
  friend auto operator<=>(const Nonce&, const Nonce&) = default;
};

/// Says of a stretch of one log what it holds: all of it, so that whoever stands at or beyond `from`
/// and applies the intents stands at `upto`. It proves itself: it is as true when it comes late, twice,
/// from a worker that has lost its lease, or out of an older dump. A value type.
struct Certificate {
  /// An invalidation, and where it stands. No target: everything.
  struct Intent {
    std::optional<Target> target;
    Position position;
    /// A row that can't be read is everything.
    [[nodiscard]] static Intent of(const LogRow& row);
    /// As a row of the log.
    [[nodiscard]] LogRow row() const;
    friend bool operator==(const Intent&, const Intent&) = default;
  };
  /// More intents, or more bytes of them, are not told.
  static constexpr std::size_t kMaxIntents = 5000;
  static constexpr std::size_t kMaxIntentBytes = 256U << 10U;
  static constexpr std::size_t kMaxAnswers = 10'000;
  /// No encoded certificate is longer.
  static constexpr std::size_t kMaxBytes = 4U << 20U;

  FeedName feed;
  Snapshot from;  ///< Of the epoch of `upto`, and covered by it.
  Cursor upto;
  std::vector<Intent> intents;
  /// What is between is not told: everything may be stale. (A flush at any one position would not do:
  /// whoever covers that passes over it, and may have yet to see what stands before.)
  bool untold = false;
  /// Who had asked before the database was: what was committed before that is in `upto`.
  std::vector<Nonce> answers;

  /// What the rows say, which are all between the two; nothing: they are too many, or unknown, so
  /// that everything may be stale.
  [[nodiscard]] static Certificate of(FeedName feed, const Snapshot& from, const Cursor& upto,
                                      std::optional<std::span<const LogRow>> rows);
  friend bool operator==(const Certificate&, const Certificate&) = default;
};

/// Versioned and checksummed. Throws Error for one whose cursors list more running transactions than
/// a certificate can hold.
[[nodiscard]] std::string encode_certificate(const Certificate& certificate);
/// Reads bytes that nobody vouches for; nothing for all that `encode_certificate` does not write.
[[nodiscard]] std::optional<Certificate> decode_certificate(ByteView encoded);

/// A follower's question, and how far it has come.
struct FeedAsk {
  SubscriberId follower;
  Nonce nonce;
  /// It stops trusting what it holds this long after its last question, so whoever has seen none for
  /// that long need not wait for it.
  std::chrono::milliseconds lease{};
  /// Nothing: it has yet to begin.
  std::optional<Cursor> cursor;
  friend bool operator==(const FeedAsk&, const FeedAsk&) = default;
};

[[nodiscard]] std::string encode_ask(const FeedAsk& ask);
/// As for certificates.
[[nodiscard]] std::optional<FeedAsk> decode_ask(ByteView encoded);

}  // namespace querymark

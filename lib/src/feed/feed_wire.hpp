#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "querymark/feed/buckets.hpp"
#include "querymark/feed/certificate.hpp"
#include "querymark/mark/snapshot.hpp"
#include "querymark/support/bytes.hpp"

// What all that travels through a feed is made of.

namespace querymark::detail {

/// A body behind what it is, its version and its check sum.
[[nodiscard]] std::string framed(std::uint32_t magic, const std::string& body);
/// Nothing for all that `framed` does not write.
[[nodiscard]] std::optional<ByteView> body_of(std::uint32_t magic, ByteView frame);

/// Throws Error for one that lists more running transactions than a feed can tell of.
void put_snapshot(std::string& out, const Snapshot& snapshot);
[[nodiscard]] std::optional<Snapshot> snapshot_in(ByteReader& in);
void put_cursor(std::string& out, const Cursor& cursor);
[[nodiscard]] std::optional<Cursor> cursor_in(ByteReader& in);
void put_feed_name(std::string& out, const FeedName& name);
[[nodiscard]] std::optional<FeedName> feed_name_in(ByteReader& in);

/// What an intent invalidates, as its kind and its text. What invalidates everything has a kind of its
/// own, and no text.
[[nodiscard]] std::uint8_t kind_of(const Certificate::Intent& intent) noexcept;
[[nodiscard]] ByteView text_of(const Certificate::Intent& intent) noexcept;
/// Nothing for what the two above do not write.
[[nodiscard]] std::optional<Certificate::Intent> intent_of(std::uint8_t kind, ByteView text,
                                                           Position position);
/// An intent as a bucket's mark. Positions compare as texts.
[[nodiscard]] StoredBucket::Mark mark_of(const Certificate::Intent& intent);
/// Nothing for what `mark_of` does not write.
[[nodiscard]] std::optional<Certificate::Intent> intent_in(const StoredBucket::Mark& mark);

}  // namespace querymark::detail

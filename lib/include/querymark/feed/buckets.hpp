#pragma once  // For writers of ports.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "querymark/feed/certificate.hpp"
#include "querymark/log/log_reader.hpp"

namespace querymark {

// What a log has made stale, kept beside its stream for followers that begin in the middle: of each
// target the last position. It is kept in buckets, each of which tells all that lies between where
// it begins and where it ends; one that was filled is followed by the next, and the oldest by the
// first, which begins anew. Whatever becomes of the server, what a bucket says stays true: it is
// changed as a whole, and only by who knows where it ends.

/// How many buckets a log has, and how many marks one may hold before the next is begun.
inline constexpr std::size_t kBuckets = 16;
inline constexpr std::size_t kBucketMarks = 8192;

/// A bucket as a server keeps it.
struct StoredBucket {
  using Mark = std::pair<std::string, std::string>;  ///< A target, and its last position.
  std::string head;                                  ///< Where it begins; empty: there is none.
  std::string upto;                                  ///< Where it ends.
  std::vector<Mark> marks;                           ///< Not where it was asked for heads alone.
  std::size_t size = 0;                              ///< Marks that it holds.
};

/// A change to one bucket, to be made as a whole or not at all.
struct BucketChange {
  std::size_t bucket = 0;
  /// Where it must end for that; nothing: it is emptied, and begins at `head`.
  std::optional<std::string> expected{};
  std::string head{};
  std::string upto{};
  /// Each replaces an earlier position alone: positions compare as texts.
  std::vector<StoredBucket::Mark> marks{};
};

class FeedWriter;

/// Hands certificates on, and keeps the buckets of one log up to date with them. For the worker's
/// thread.
class BucketKeeper {
 public:
  explicit BucketKeeper(FeedName feed) : feed_(std::move(feed)) {}

  /// Appends the certificate, with the change to a bucket in the same round trip, where the writer
  /// keeps some. Throws what the port throws: then it has not been handed on, and comes again. Where
  /// another worker is faster, no bucket may know of it; the next one begins a bucket then.
  void hand_on(FeedWriter& writer, const Certificate& certificate);

 private:
  struct Open {
    std::size_t bucket = 0;
    Cursor upto;
    std::size_t marks = 0;
    std::size_t bytes = 0;  // that were added here
  };
  void look(FeedWriter& writer, const Certificate& certificate);
  [[nodiscard]] bool joins(const Certificate& certificate) const;
  // Nothing: the open bucket has it all.
  [[nodiscard]] std::optional<BucketChange> change_for(const Certificate& certificate) const;
  void changed(const BucketChange& change, const Certificate& certificate, std::size_t size);

  FeedName feed_;
  std::optional<Open> open_;  // the bucket that ends last, as far as is known
  std::size_t next_ = 0;      // the bucket after it
};

/// What was made stale before a follower began.
struct FeedHistory {
  Cursor from;  ///< All that lies between this and where it began is among the rows.
  std::vector<LogRow> rows;
};

/// Nothing where the buckets do not reach up to the certificate at which the follower began.
[[nodiscard]] std::optional<FeedHistory> history_before(const Certificate& began,
                                                        std::span<const StoredBucket> buckets);

}  // namespace querymark

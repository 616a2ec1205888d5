#pragma once  // For writers of ports: what a server implements through which logs are handed on.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "querymark/feed/buckets.hpp"
#include "querymark/feed/certificate.hpp"
#include "querymark/log/doorbell.hpp"

namespace querymark {

/// Where a reader of the feed's stream stands, as the server spells it; empty: at its beginning.
using FeedPlace = std::string;

/// A question as it is kept, under the name of who asks.
struct StoredAsk {
  SubscriberId follower;
  std::string bytes;
};

struct FeedRequest {
  FeedPlace after;
  std::size_t limit = 64;  ///< Entries, at least one.
  /// To be left for the workers, in place of the same follower's last one.
  std::optional<StoredAsk> ask{};
  /// Somebody waits: wake the workers.
  bool urgent = false;
};

struct FeedPage {
  /// The worker's last word, if there is one: read before the stream, so that what it continues is
  /// among the entries, or lost.
  std::optional<std::string> beat;
  std::vector<std::string> entries;  ///< In the order in which they were appended.
  FeedPlace last;                    ///< Behind these entries; where it was if there are none.
  bool more = false;                 ///< Ask again from there: the beat counts after the last page.
};

/// The feed of one log as a follower reads it. What it shows need be neither whole nor new nor true:
/// certificates prove themselves. Implementations are thread-safe, may block on I/O, and throw Error.
class FeedReader {
 public:
  virtual ~FeedReader() = default;
  /// Leaves the ask, reads the beat, and then the stream, in this order.
  [[nodiscard]] virtual FeedPage read(const FeedRequest& request) = 0;
  /// The buckets, in the order of their numbers; one that is not there is empty.
  [[nodiscard]] virtual std::vector<StoredBucket> buckets() = 0;
  /// Returns when the feed may show more than it did, at the latest after `timeout`.
  virtual void await(std::chrono::nanoseconds timeout) = 0;
  /// The follower asks no more. No effect where nothing is kept of it.
  virtual void leave(SubscriberId follower) = 0;
};

/// The same as a worker writes it. Returns only when the server has confirmed; whatever it refuses is
/// thrown as Error.
class FeedWriter {
 public:
  virtual ~FeedWriter() = default;
  /// All questions that wait, in no order, as they were written; a bounded number of them.
  [[nodiscard]] virtual std::vector<std::string> asks() = 0;
  /// Adds an entry to the stream, which forgets its oldest.
  virtual void append(const std::string& certificate) = 0;
  /// Whether there are buckets; without, the next three are not called.
  [[nodiscard]] virtual bool keeps_buckets() const noexcept { return true; }
  /// All buckets without their marks.
  [[nodiscard]] virtual std::vector<StoredBucket> bucket_heads() = 0;
  /// Changes a bucket, at once and as a whole: how many marks it has then. Nothing: it does not end
  /// where it was expected to, and is as it was.
  [[nodiscard]] virtual std::optional<std::size_t> change_bucket(const BucketChange& change) = 0;
  /// Both of these, in one round trip where the server can. Where it throws, each may have been done.
  /// The entry is added whether the bucket is changed or not.
  [[nodiscard]] virtual std::optional<std::size_t> append_with(const BucketChange& change,
                                                               const std::string& certificate) {
    const auto size = change_bucket(change);
    append(certificate);
    return size;
  }
  /// Replaces the beat.
  virtual void beat(const std::string& certificate) = 0;
  /// Forgets a question that is still the same: who asks anew is another matter.
  virtual void forget(SubscriberId follower, const std::string& ask) = 0;
  /// Does what the others do, to what hits nothing.
  virtual void control() = 0;
};

/// A server through which logs are handed on to processes that do not read them.
class Feed {
 public:
  virtual ~Feed() = default;
  [[nodiscard]] virtual std::unique_ptr<FeedReader> reader(const FeedName& name) = 0;
  [[nodiscard]] virtual std::unique_ptr<FeedWriter> writer(const FeedName& name) = 0;
  /// Rings when something was appended.
  [[nodiscard]] virtual std::unique_ptr<Doorbell> doorbell(const FeedName& name) = 0;
  /// Rings when somebody asks who waits for the answer; null where nobody rings, so that questions wait
  /// for the worker's next look.
  [[nodiscard]] virtual std::unique_ptr<Doorbell> ask_bell(const FeedName& name) = 0;
};

}  // namespace querymark

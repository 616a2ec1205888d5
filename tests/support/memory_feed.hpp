#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "querymark/feed/feed.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark::test {

/// A feed in memory, as a server keeps it, and with what can befall a server. Thread-safe but for
/// the hooks, which are set before.
class MemoryFeed final : public Feed {
 public:
  /// What a server keeps of one log; may be put back later, as an old dump is.
  struct Kept {
    std::deque<std::pair<std::uint64_t, std::string>> stream;
    std::uint64_t last = 0;  // place of the newest entry there ever was
    std::optional<std::string> beat;
    std::map<std::uint64_t, std::string> asks;
    struct Bucket {
      std::string head;
      std::string upto;
      std::map<std::string, std::string> marks;
    };
    std::array<Bucket, kBuckets> buckets;
  };
  struct Shared {
    Mutex mutex;
    Kept kept QUERYMARK_GUARDED_BY(mutex);
  };

  [[nodiscard]] std::unique_ptr<FeedReader> reader(const FeedName& name) override {
    return std::make_unique<Reader>(*this, server(name));
  }
  [[nodiscard]] std::unique_ptr<FeedWriter> writer(const FeedName& name) override {
    return std::make_unique<Writer>(*this, server(name));
  }
  [[nodiscard]] std::unique_ptr<Doorbell> doorbell(const FeedName& /*name*/) override {
    throw Error("nobody waits here");
  }
  [[nodiscard]] std::unique_ptr<Doorbell> ask_bell(const FeedName& /*name*/) override {
    return nullptr;
  }

  [[nodiscard]] Kept kept(const FeedName& name) {
    const auto at = server(name);
    const MutexLock lock(at->mutex);
    return at->kept;
  }
  void put_back(const FeedName& name, Kept kept) {
    const auto at = server(name);
    const MutexLock lock(at->mutex);
    at->kept = std::move(kept);
  }

  /// Called when somebody awaits an answer, without any lock: for the workers' turns.
  std::function<void()> on_await = [] {};
  /// What a worker is about to append, or to make the beat: may change it, and may throw.
  std::function<void(std::string&)> on_write = [](std::string&) {};
  /// What a follower is about to be shown.
  std::function<void(FeedPage&)> on_read = [](FeedPage&) {};
  std::size_t longest = 64;  ///< Entries of the stream.

 private:
  using At = std::shared_ptr<Shared>;

  [[nodiscard]] std::vector<StoredBucket> stored(Shared& at, bool whole) const {
    const MutexLock lock(at.mutex);
    std::vector<StoredBucket> all;
    for (const Kept::Bucket& bucket : at.kept.buckets) {
      StoredBucket& one = all.emplace_back(
          StoredBucket{.head = bucket.head, .upto = bucket.upto, .size = bucket.marks.size()});
      if (whole) one.marks.assign(bucket.marks.begin(), bucket.marks.end());
    }
    return all;
  }

  class Reader final : public FeedReader {
   public:
    Reader(MemoryFeed& feed, At at) : feed_(feed), at_(std::move(at)) {}
    [[nodiscard]] FeedPage read(const FeedRequest& request) override {
      FeedPage page{.beat = {}, .entries = {}, .last = request.after, .more = false};
      {
        const MutexLock lock(at_->mutex);
        Kept& kept = at_->kept;
        if (request.ask) kept.asks[request.ask->follower.value] = request.ask->bytes;
        page.beat = kept.beat;
        const std::uint64_t after = request.after.empty() ? 0 : std::stoull(request.after);
        for (const auto& [place, entry] : kept.stream) {
          if (place <= after) continue;
          if (page.entries.size() == request.limit) {
            page.more = true;
            break;
          }
          page.entries.push_back(entry);
          page.last = std::to_string(place);
        }
      }
      feed_.on_read(page);
      return page;
    }
    [[nodiscard]] std::vector<StoredBucket> buckets() override { return feed_.stored(*at_, true); }
    void await(std::chrono::nanoseconds /*timeout*/) override { feed_.on_await(); }
    void leave(SubscriberId follower) override {
      const MutexLock lock(at_->mutex);
      at_->kept.asks.erase(follower.value);
    }

   private:
    MemoryFeed& feed_;
    At at_;
  };

  class Writer final : public FeedWriter {
   public:
    Writer(MemoryFeed& feed, At at) : feed_(feed), at_(std::move(at)) {}
    [[nodiscard]] std::vector<std::string> asks() override {
      const MutexLock lock(at_->mutex);
      std::vector<std::string> all;
      for (const auto& [follower, ask] : at_->kept.asks) all.push_back(ask);
      return all;
    }
    void append(const std::string& certificate) override {
      std::string bytes = certificate;
      feed_.on_write(bytes);
      const MutexLock lock(at_->mutex);
      Kept& kept = at_->kept;
      kept.stream.emplace_back(++kept.last, std::move(bytes));
      if (kept.stream.size() > feed_.longest) kept.stream.pop_front();
    }
    [[nodiscard]] std::vector<StoredBucket> bucket_heads() override {
      return feed_.stored(*at_, false);
    }
    [[nodiscard]] std::optional<std::size_t> change_bucket(const BucketChange& change) override {
      std::string nothing;
      feed_.on_write(nothing);
      const MutexLock lock(at_->mutex);
      Kept::Bucket& bucket = at_->kept.buckets.at(change.bucket);
      if (!change.expected)
        bucket = {.head = change.head, .upto = {}, .marks = {}};
      else if (bucket.upto != *change.expected)
        return std::nullopt;
      for (const auto& [target, position] : change.marks) {
        std::string& last = bucket.marks[target];
        last = std::max(last, position);
      }
      bucket.upto = change.upto;
      return bucket.marks.size();
    }
    // In turns in either order, as a server does whose slot moves.
    [[nodiscard]] std::optional<std::size_t> append_with(const BucketChange& change,
                                                         const std::string& certificate) override {
      append_first_ = !append_first_;
      if (append_first_) append(certificate);
      const auto size = change_bucket(change);
      if (!append_first_) append(certificate);
      return size;
    }
    void beat(const std::string& certificate) override {
      std::string bytes = certificate;
      feed_.on_write(bytes);
      const MutexLock lock(at_->mutex);
      at_->kept.beat = std::move(bytes);
    }
    void forget(SubscriberId follower, const std::string& ask) override {
      const MutexLock lock(at_->mutex);
      const auto found = at_->kept.asks.find(follower.value);
      if (found != at_->kept.asks.end() && found->second == ask) at_->kept.asks.erase(found);
    }
    void control() override {
      std::string nothing;
      feed_.on_write(nothing);
    }

   private:
    MemoryFeed& feed_;
    At at_;
    bool append_first_ = false;
  };

  [[nodiscard]] At server(const FeedName& name) {
    const MutexLock lock(mutex_);
    At& at = logs_[{name.database_id, name.namespace_name}];
    if (!at) at = std::make_shared<Shared>();
    return at;
  }

  Mutex mutex_;
  std::map<std::pair<std::string, std::string>, At> logs_ QUERYMARK_GUARDED_BY(mutex_);
};

}  // namespace querymark::test

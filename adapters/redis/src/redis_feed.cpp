#include "querymark/redis/redis_feed.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "endpoint.hpp"
#include "feed_bell.hpp"
#include "feed_call.hpp"
#include "feed_keys.hpp"
#include "key_prefix.hpp"
#include "querymark/support/error.hpp"

// Keys of one log, all in one slot of a cluster:
//
//   stream   certificates, one an entry, the oldest of them forgotten
//   beat     the last certificate that told of nothing new
//   asks     a hash: follower -> its last question
//   news     a stream of one empty entry: rings the followers
//   rings    the same: rings the workers
//   bucket:0 … what was made stale, for who begins: hashes of marks, and of `^head` and `^upto`
//   control  what control operations write
//
// What belongs together travels in one pipeline, in an order that counts: questions before the beat,
// the beat before the stream, certificates before the followers are rung. Where the slot moves
// meanwhile the order is another: the stream is read again then, and who is rung too early looks in
// vain, once.
//
// Where somebody has put a value of another type in a key's place, whoever meets it first puts that aside,
// and the call is made again. What was in that place before is lost then, which is a loss as any other: a
// stream or a beat that does not join what a follower knows is a gap, a bucket begins anew, and who has
// asked asks again. (The next beat writes over whatever is there, if it comes before a reader.)

namespace querymark {
namespace {

using redis::Deadline;
using redis::FeedCall;
using redis::FeedKeys;

// Nobody has written for that long: the log is no more.
constexpr std::string_view kForgetAfter = "604800000";  // milliseconds: a week
constexpr std::size_t kMostAsks = 20'000;
// Replaces nothing that was asked anew meanwhile.
constexpr std::string_view kForgetScript =
    "if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then "
    "return redis.call('HDEL', KEYS[1], ARGV[1]) end return 0";

constexpr std::string_view kHead = "^head";  // no kind of target begins so
constexpr std::string_view kUpto = "^upto";
// Whoever knows where the bucket ends has all that comes before: else there was a failover, or it was
// evicted, and it begins anew. Positions are texts of one length.
constexpr std::string_view kBucketScript =
    "local key, call = KEYS[1], redis.call "
    "if ARGV[1] == '' then call('DEL', key) call('HSET', key, '^head', ARGV[2]) "
    "elseif call('HGET', key, '^upto') ~= ARGV[1] then return -1 end "
    "for i = 5, #ARGV, 2 do local last = call('HGET', key, ARGV[i]) "
    "if not last or last < ARGV[i + 1] then call('HSET', key, ARGV[i], ARGV[i + 1]) end end "
    "call('HSET', key, '^upto', ARGV[3]) call('PEXPIRE', key, ARGV[4]) "
    "return call('HLEN', key) - 2";

RedisFeedOptions checked_feed(RedisFeedOptions options) {
  net::require_key_prefix(options.prefix, "a Redis feed");
  if (options.timeout.count() == 0)
    throw ConfigError("the timeout of a Redis feed must be longer than zero");
  if (options.entries == 0 || options.entries > 1'000'000)
    throw ConfigError("a Redis feed keeps 1 to 1000000 entries");
  if (options.connections == 0) throw ConfigError("a Redis feed needs a connection");
  return options;
}

std::string field_of(SubscriberId follower) { return std::to_string(follower.value); }

// Before Redis 7 a script's error has another code, and this behind it.
bool says_wrong_type(const Error& failure) {
  return std::string_view(failure.what()).find("WRONGTYPE ") != std::string_view::npos;
}

}  // namespace

struct RedisFeed::State {
  State(std::string_view url, RedisFeedOptions opts)
      : State(redis::parsed_servers(url), checked_feed(std::move(opts))) {}
  State(const redis::Servers& servers, RedisFeedOptions opts)
      : options(std::move(opts)),
        label(servers.label()),
        tls(redis::tls_for(servers, options.ca_file, options.certificate_file, options.key_file)),
        topology(servers,
                 {.connections = options.connections,
                  .patience = options.timeout,
                  .max_reply_bytes = Certificate::kMaxBytes,  // a cluster's map is smaller
                  .tls = tls.get(),
                  .connects = &connects},
                 system_clock()) {}

  // With all keys of its log, in case that one of them is taken.
  void run(FeedCall& call, const FeedKeys& keys) {
    const Deadline until = std::chrono::steady_clock::now() + options.timeout;
    try {
      call.run(topology, system_clock(), until);
    } catch (const Error& failure) {
      if (!says_wrong_type(failure) || !made_room(keys, until)) throw;
      call.run(topology, system_clock(), until);
    }
  }
  [[nodiscard]] static std::unique_ptr<Doorbell> bell(const std::shared_ptr<State>& self,
                                                      const std::string& key) {
    return std::make_unique<redis::FeedBell>(
        std::shared_ptr<redis::Topology>(self, &self->topology), key, self->label,
        self->options.timeout);
  }

  const RedisFeedOptions options;
  const std::string label;
  const std::unique_ptr<redis::TlsContext> tls;
  std::atomic<std::uint64_t> connects{0};
  std::atomic<std::uint64_t> put_aside{0};
  redis::Topology topology;  // its connections use what stands above

 private:
  // False: it could not be done, so that what was wrong before stands.
  [[nodiscard]] bool made_room(const FeedKeys& keys, Deadline until) {
    FeedCall call(keys.slot);
    redis::add_put_aside(call, keys);
    try {
      call.run(topology, system_clock(), until);
    } catch (const Error&) {
      return false;
    }
    const auto all = keys.types();
    for (std::size_t at = 0; at < all.size(); ++at) {
      if (call[at].number() == 0) continue;
      ++put_aside;
      if (options.on_put_aside) options.on_put_aside(std::string(all[at].first));
    }
    return true;  // by another process, if by none of these
  }
};

namespace {

class RedisFeedReader final : public FeedReader {
 public:
  RedisFeedReader(std::shared_ptr<RedisFeed::State> state, const FeedName& name)
      : state_(std::move(state)), keys_(state_->options.prefix, name) {}

  [[nodiscard]] FeedPage read(const FeedRequest& request) override {
    FeedCall call(keys_.slot);
    if (request.ask) {
      call.add({"HSET", keys_.asks, field_of(request.ask->follower), request.ask->bytes});
      call.add({"PEXPIRE", keys_.asks, kForgetAfter});
    }
    if (request.urgent) call.add({"XADD", keys_.rings, "MAXLEN", "1", "*", "r", ""});
    const std::size_t beat = call.add({"GET", keys_.beat});
    const std::size_t stream = add_stream(call, request);
    state_->run(call, keys_);
    FeedPage page{.beat = std::nullopt, .entries = {}, .last = request.after, .more = false};
    if (!call[beat].nothing()) page.beat = call[beat].text();
    if (call.later(beat, stream)) {
      FeedCall again(keys_.slot);
      const std::size_t later = add_stream(again, request);
      state_->run(again, keys_);
      take_entries(page, request.limit, again[later]);
    } else {
      take_entries(page, request.limit, call[stream]);
    }
    page.more = page.entries.size() >= request.limit;
    return page;
  }

  [[nodiscard]] std::vector<StoredBucket> buckets() override {
    FeedCall call(keys_.slot);
    for (const std::string& key : keys_.buckets) call.add({"HGETALL", key});
    state_->run(call, keys_);
    std::vector<StoredBucket> all(kBuckets);
    for (std::size_t at = 0; at < kBuckets; ++at) {
      StoredBucket& bucket = all[at];
      for (std::int64_t words = call[at].list(); words > 1; words -= 2) {
        std::string field = call[at].text();
        std::string value = call[at].text();
        if (field == kHead)
          bucket.head = std::move(value);
        else if (field == kUpto)
          bucket.upto = std::move(value);
        else
          bucket.marks.emplace_back(std::move(field), std::move(value));
      }
      bucket.size = bucket.marks.size();
    }
    return all;
  }

  void await(std::chrono::nanoseconds timeout) override { std::this_thread::sleep_for(timeout); }

  void leave(SubscriberId follower) override {
    FeedCall call(keys_.slot);
    call.add({"HDEL", keys_.asks, field_of(follower)});
    state_->run(call, keys_);
  }

 private:
  std::size_t add_stream(FeedCall& call, const FeedRequest& request) const {
    return call.add({"XREAD", "COUNT", std::to_string(request.limit), "STREAMS", keys_.stream,
                     request.after.empty() ? "0-0" : request.after});
  }
  // [[key, [[id, [field, value, ...]], ...]]]
  void take_entries(FeedPage& page, std::size_t most, redis::Answer& answer) const {
    if (answer.nothing()) return;
    static_cast<void>(answer.list());
    static_cast<void>(answer.list());
    answer.pass_over(1);
    const std::int64_t entries = answer.list();
    if (entries < 0 || static_cast<std::size_t>(entries) > most)
      throw Error(state_->label + ": more entries than were asked for", {.retryable = true});
    for (std::int64_t left = entries; left > 0; --left) {
      static_cast<void>(answer.list());
      page.last = answer.text();
      const std::int64_t words = answer.list();  // of one field, its value
      answer.pass_over(words - 1);
      page.entries.push_back(words > 0 ? answer.text() : "");
    }
  }

  std::shared_ptr<RedisFeed::State> state_;
  FeedKeys keys_;
};

class RedisFeedWriter final : public FeedWriter {
 public:
  RedisFeedWriter(std::shared_ptr<RedisFeed::State> state, const FeedName& name)
      : state_(std::move(state)), keys_(state_->options.prefix, name) {}

  [[nodiscard]] std::vector<std::string> asks() override {
    std::vector<std::string> all;
    std::string cursor = "0";
    do {
      FeedCall call(keys_.slot);
      const std::size_t scan = call.add({"HSCAN", keys_.asks, cursor, "COUNT", "500"});
      state_->run(call, keys_);
      redis::Answer& answer = call[scan];
      static_cast<void>(answer.list());
      cursor = answer.text();
      for (std::int64_t words = answer.list(); words > 1; words -= 2) {
        answer.pass_over(1);
        all.push_back(answer.text());
      }
    } while (cursor != "0" && all.size() < kMostAsks);
    return all;
  }

  void append(const std::string& certificate) override {
    FeedCall call(keys_.slot);
    const std::size_t stream = add_entry(call, certificate);
    state_->run(call, keys_);
    call[stream].pass_over(1);
  }

  [[nodiscard]] std::optional<std::size_t> append_with(const BucketChange& change,
                                                       const std::string& certificate) override {
    FeedCall call(keys_.slot);
    const std::size_t bucket = add_change(call, change);
    const std::size_t stream = add_entry(call, certificate);
    state_->run(call, keys_);
    call[stream].pass_over(1);
    return size_in(call[bucket]);
  }

  [[nodiscard]] std::vector<StoredBucket> bucket_heads() override {
    FeedCall call(keys_.slot);
    for (const std::string& key : keys_.buckets) {
      call.add({"HMGET", key, kHead, kUpto});
      call.add({"HLEN", key});
    }
    state_->run(call, keys_);
    std::vector<StoredBucket> all(kBuckets);
    for (std::size_t at = 0; at < kBuckets; ++at) {
      redis::Answer& both = call[2 * at];
      static_cast<void>(both.list());
      if (!both.nothing()) all[at].head = both.text();
      if (!both.nothing()) all[at].upto = both.text();
      all[at].size =
          static_cast<std::size_t>(std::max<std::int64_t>(call[2 * at + 1].number(), 2)) - 2;
    }
    return all;
  }

  [[nodiscard]] std::optional<std::size_t> change_bucket(const BucketChange& change) override {
    FeedCall call(keys_.slot);
    const std::size_t bucket = add_change(call, change);
    state_->run(call, keys_);
    return size_in(call[bucket]);
  }

  void beat(const std::string& certificate) override {
    FeedCall call(keys_.slot);
    const std::size_t set = call.add({"SET", keys_.beat, certificate, "PX", kForgetAfter});
    state_->run(call, keys_);
    call[set].pass_over(1);
  }

  void forget(SubscriberId follower, const std::string& ask) override {
    FeedCall call(keys_.slot);
    call.add({"EVAL", kForgetScript, "1", keys_.asks, field_of(follower), ask});
    state_->run(call, keys_);
  }

  void control() override {
    FeedCall call(keys_.slot);
    call.add({"XADD", keys_.control, "MAXLEN", "~", "1", "*", "c", ""});
    call.add({"PEXPIRE", keys_.control, "1000"});
    call.add({"HSCAN", keys_.asks, "0", "COUNT", "1"});
    state_->run(call, keys_);
  }

 private:
  std::size_t add_entry(FeedCall& call, const std::string& certificate) const {
    const std::size_t stream =
        call.add({"XADD", keys_.stream, "MAXLEN", "~", std::to_string(state_->options.entries), "*",
                  "c", certificate});
    call.add({"PEXPIRE", keys_.stream, kForgetAfter});
    call.add({"XADD", keys_.news, "MAXLEN", "1", "*", "n", ""});
    return stream;
  }
  std::size_t add_change(FeedCall& call, const BucketChange& change) const {
    std::vector<std::string_view> words{"EVAL",
                                        kBucketScript,
                                        "1",
                                        keys_.buckets[change.bucket],
                                        change.expected ? std::string_view(*change.expected) : "",
                                        change.head,
                                        change.upto,
                                        kForgetAfter};
    for (const auto& [target, position] : change.marks) {
      words.emplace_back(target);
      words.emplace_back(position);
    }
    return call.add(words);
  }
  // Below zero: it does not end where it was expected to.
  static std::optional<std::size_t> size_in(redis::Answer& answer) {
    const std::int64_t size = answer.number();
    return size < 0 ? std::nullopt : std::optional(static_cast<std::size_t>(size));
  }

  std::shared_ptr<RedisFeed::State> state_;
  FeedKeys keys_;
};

}  // namespace

RedisFeed::RedisFeed(const std::string& url, RedisFeedOptions options)
    : state_(std::make_shared<State>(url, std::move(options))) {}
RedisFeed::~RedisFeed() = default;

const std::string& RedisFeed::url() const noexcept { return state_->label; }
std::uint64_t RedisFeed::put_aside() const noexcept { return state_->put_aside.load(); }

std::unique_ptr<FeedReader> RedisFeed::reader(const FeedName& name) {
  return std::make_unique<RedisFeedReader>(state_, name);
}
std::unique_ptr<FeedWriter> RedisFeed::writer(const FeedName& name) {
  return std::make_unique<RedisFeedWriter>(state_, name);
}
std::unique_ptr<Doorbell> RedisFeed::doorbell(const FeedName& name) {
  return state_->bell(state_, FeedKeys(state_->options.prefix, name).news);
}
std::unique_ptr<Doorbell> RedisFeed::ask_bell(const FeedName& name) {
  return state_->bell(state_, FeedKeys(state_->options.prefix, name).rings);
}

}  // namespace querymark

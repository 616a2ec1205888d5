#include "querymark/redis/redis_feed.hpp"

#include <optional>
#include <thread>
#include <utility>

#include "connection.hpp"
#include "feed_bell.hpp"
#include "key_prefix.hpp"
#include "querymark/support/connection_pool.hpp"

// Keys of one log, all in one slot of a cluster:
//
//   stream   certificates, one an entry, the oldest of them forgotten
//   beat     the last certificate that told of nothing new
//   asks     a hash: follower -> its last question
//   news     a stream of one empty entry: rings the followers
//   rings    the same: rings the workers
//   control  what control operations write
//
// A certificate is appended before the followers are rung, in one pipeline. Each reply is looked at;
// whatever fails spoils the connection, and is thrown.

namespace querymark {
namespace {

using redis::append_command;
using redis::Connection;
using redis::Deadline;
using redis::Endpoint;
using redis::Reply;

using FeedPool = ConnectionPool<Connection>;

// Nobody has written for that long: the log is no more.
constexpr std::string_view kForgetAfter = "604800000";  // milliseconds: a week
constexpr std::size_t kMostAsks = 20'000;
// Replaces nothing that was asked anew meanwhile.
constexpr std::string_view kForgetScript =
    "if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then "
    "return redis.call('HDEL', KEYS[1], ARGV[1]) end return 0";

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

struct FeedKeys {
  FeedKeys(const std::string& prefix, const FeedName& name) {
    const std::string slot = '{' + prefix + ":feed:" + redis::escaped(name.namespace_name) + ':' +
                             redis::escaped(name.database_id) + "}:";
    stream = slot + "stream";
    beat = slot + "beat";
    asks = slot + "asks";
    news = slot + "news";
    rings = slot + "rings";
    control = slot + "control";
  }
  std::string stream, beat, asks, news, rings, control;
};

}  // namespace

struct RedisFeed::State {
  State(std::string_view url, RedisFeedOptions opts)
      : options(checked_feed(std::move(opts))),
        endpoint(redis::parsed_url(url)),
        label(endpoint.label()),
        resolver(endpoint.host, endpoint.port),
        pool({.limit = options.connections,
              .patience = options.timeout,
              .exhausted = "all connections to " + label + " stayed busy"},
             [this] { return open(deadline()); }) {
    if (endpoint.transport == Endpoint::Transport::tls)
      tls.emplace(options.ca_file, options.certificate_file, options.key_file);
  }

  [[nodiscard]] Deadline deadline() const {
    return std::chrono::steady_clock::now() + options.timeout;
  }
  [[nodiscard]] std::unique_ptr<Connection> open(Deadline until) {
    return std::make_unique<Connection>(endpoint, resolver, tls ? &*tls : nullptr,
                                        Certificate::kMaxBytes, until);
  }
  // Sends the commands, and has `work` take all replies by a function that gives the next one.
  template <class Work>
  auto ask(const std::string& commands, Work&& work) {
    const FeedPool::Lease connection = pool.acquire();
    const Deadline until = deadline();
    try {
      connection->send(commands, until);
      return work([&] { return connection->next(until); });
    } catch (const Error& failure) {
      connection->spoil();
      // A master that is one no more keeps its connections, while the address leads to the new one.
      if (failure.native_code() == "READONLY") pool.drain();
      throw;
    } catch (...) {  // goes on
      connection->spoil();
      throw;
    }
  }
  // NOLINTNEXTLINE(modernize-use-nodiscard): often nothing but the check is wanted
  std::int64_t require(const Reply& reply, Reply::Is is) const {
    if (reply.is != is) throw redis::refusal(label, reply);
    return reply.number;
  }
  [[nodiscard]] std::unique_ptr<Doorbell> bell(const std::shared_ptr<State>& self,
                                               const std::string& key) const {
    return std::make_unique<redis::FeedBell>([self](Deadline until) { return self->open(until); },
                                             key, label, options.timeout);
  }

  const RedisFeedOptions options;
  const Endpoint endpoint;
  const std::string label;
  redis::Resolver resolver;
  std::optional<redis::TlsContext> tls;
  FeedPool pool;  // its connections use what stands above
};

namespace {

class RedisFeedReader final : public FeedReader {
 public:
  RedisFeedReader(std::shared_ptr<RedisFeed::State> state, const FeedName& name)
      : state_(std::move(state)), keys_(state_->options.prefix, name) {}

  [[nodiscard]] FeedPage read(const FeedRequest& request) override {
    std::string commands;
    if (request.ask) {
      append_command(commands, {"HSET", keys_.asks, field_of(request.ask->follower),
                                encode_ask(*request.ask)});
      append_command(commands, {"PEXPIRE", keys_.asks, kForgetAfter});
    }
    if (request.urgent)
      append_command(commands, {"XADD", keys_.rings, "MAXLEN", "1", "*", "r", ""});
    append_command(commands, {"GET", keys_.beat});
    append_command(commands, {"XREAD", "COUNT", std::to_string(request.limit), "STREAMS",
                              keys_.stream, request.after.empty() ? "0-0" : request.after});
    return state_->ask(commands, [&](auto&& next) {
      if (request.ask) {
        state_->require(next(), Reply::Is::number);
        state_->require(next(), Reply::Is::number);
      }
      if (request.urgent) state_->require(next(), Reply::Is::text);
      FeedPage page{.beat = std::nullopt, .entries = {}, .last = request.after, .more = false};
      const Reply beat = next();
      if (beat.is != Reply::Is::nothing) {
        state_->require(beat, Reply::Is::text);
        page.beat = beat.text;
      }
      take_entries(page, request.limit, next);
      page.more = page.entries.size() >= request.limit;
      return page;
    });
  }

  void await(std::chrono::nanoseconds timeout) override { std::this_thread::sleep_for(timeout); }

  void leave(SubscriberId follower) override {
    std::string command;
    append_command(command, {"HDEL", keys_.asks, field_of(follower)});
    state_->ask(command, [&](auto&& next) { state_->require(next(), Reply::Is::number); });
  }

 private:
  // [[key, [[id, [field, value, ...]], ...]]]
  template <class Next>
  void take_entries(FeedPage& page, std::size_t most, Next&& next) const {
    const Reply head = next();
    if (head.is == Reply::Is::nothing) return;
    state_->require(head, Reply::Is::list);
    state_->require(next(), Reply::Is::list);
    state_->require(next(), Reply::Is::text);
    const Reply entries = next();
    std::int64_t left = state_->require(entries, Reply::Is::list);
    if (left < 0 || static_cast<std::size_t>(left) > most)
      throw Error(state_->label + ": more entries than were asked for", {.retryable = true});
    for (; left > 0; --left) {
      state_->require(next(), Reply::Is::list);
      const Reply id = next();
      state_->require(id, Reply::Is::text);
      page.last = id.text;
      std::string bytes;
      const Reply fields = next();
      for (std::int64_t each = state_->require(fields, Reply::Is::list); each > 0; --each) {
        const Reply field = next();
        state_->require(field, Reply::Is::text);
        bytes = field.text;  // of one field, its value
      }
      page.entries.push_back(std::move(bytes));
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
      std::string command;
      append_command(command, {"HSCAN", keys_.asks, cursor, "COUNT", "500"});
      state_->ask(command, [&](auto&& next) {
        state_->require(next(), Reply::Is::list);
        const Reply further = next();
        state_->require(further, Reply::Is::text);
        cursor = further.text;
        const Reply pairs = next();
        const std::int64_t words = state_->require(pairs, Reply::Is::list);
        for (std::int64_t i = 0; i < words; ++i) {
          const Reply word = next();
          state_->require(word, Reply::Is::text);
          if (i % 2 == 1) all.emplace_back(word.text);
        }
      });
    } while (cursor != "0" && all.size() < kMostAsks);
    return all;
  }

  void append(const std::string& certificate) override {
    std::string commands;
    append_command(commands, {"XADD", keys_.stream, "MAXLEN", "~",
                              std::to_string(state_->options.entries), "*", "c", certificate});
    append_command(commands, {"PEXPIRE", keys_.stream, kForgetAfter});
    append_command(commands, {"XADD", keys_.news, "MAXLEN", "1", "*", "n", ""});
    state_->ask(commands, [&](auto&& next) {
      state_->require(next(), Reply::Is::text);
      state_->require(next(), Reply::Is::number);
      state_->require(next(), Reply::Is::text);
    });
  }

  void beat(const std::string& certificate) override {
    std::string command;
    append_command(command, {"SET", keys_.beat, certificate, "PX", kForgetAfter});
    state_->ask(command, [&](auto&& next) { state_->require(next(), Reply::Is::text); });
  }

  void forget(SubscriberId follower, const std::string& ask) override {
    std::string command;
    append_command(command, {"EVAL", kForgetScript, "1", keys_.asks, field_of(follower), ask});
    state_->ask(command, [&](auto&& next) { state_->require(next(), Reply::Is::number); });
  }

  void control() override {
    std::string commands;
    append_command(commands, {"XADD", keys_.control, "MAXLEN", "~", "1", "*", "c", ""});
    append_command(commands, {"PEXPIRE", keys_.control, "1000"});
    append_command(commands, {"HSCAN", keys_.asks, "0", "COUNT", "1"});
    state_->ask(commands, [&](auto&& next) {
      state_->require(next(), Reply::Is::text);
      state_->require(next(), Reply::Is::number);
      state_->require(next(), Reply::Is::list);
      state_->require(next(), Reply::Is::text);
      const Reply pairs = next();
      for (std::int64_t left = state_->require(pairs, Reply::Is::list); left > 0; --left)
        state_->require(next(), Reply::Is::text);
    });
  }

 private:
  std::shared_ptr<RedisFeed::State> state_;
  FeedKeys keys_;
};

}  // namespace

RedisFeed::RedisFeed(const std::string& url, RedisFeedOptions options)
    : state_(std::make_shared<State>(url, std::move(options))) {}
RedisFeed::~RedisFeed() = default;

const std::string& RedisFeed::url() const noexcept { return state_->label; }

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

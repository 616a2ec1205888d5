#include "querymark/redis/redis_tier.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <utility>

#include "connection.hpp"
#include "put_script.hpp"
#include "querymark/support/ascii.hpp"
#include "querymark/support/connection_pool.hpp"
#include "querymark/support/mutex.hpp"
#include "querymark/tier/breaker.hpp"
#include "querymark/tier/ordered_value.hpp"

// A call: the breaker (one for reads, one for writes: a full server still reads) says whether to try -> a connection of the pool,
// opened if need be -> all commands in one go -> as many replies. Whatever fails spoils the
// connection: a reply that comes too late would be taken for the answer to another question.
//
// A value's bytes begin with epoch and horizon, for the script that compares them (put_script.hpp).
//
// No lock is held while anything is sent or awaited.

namespace querymark {
namespace {

using redis::Connection;
using redis::Deadline;
using redis::Endpoint;
using redis::Reply;

using Pool = ConnectionPool<Connection>;

constexpr std::chrono::milliseconds kPatience{5};  // for a connection that others use

RedisTierOptions checked(RedisTierOptions options) {
  const bool plain = std::ranges::all_of(options.prefix, [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) || c == '_' || c == '-' || c == '.' ||
           c == ':';
  });
  if (options.prefix.empty() || options.prefix.size() > 100 || !plain)
    throw ConfigError("the prefix of a Redis tier's keys has 1 to 100 letters, digits and _-.:");
  constexpr std::size_t kMostBytes = 500U << 20U;  // Redis itself takes 512 MiB
  if (options.max_value_bytes == 0 || options.max_value_bytes > kMostBytes)
    throw ConfigError("max_value_bytes of a Redis tier must be 1 to " + std::to_string(kMostBytes));
  if (options.timeout.count() == 0)
    throw ConfigError("the timeout of a Redis tier must be longer than zero");
  if (!options.codec) options.codec = plain_values();
  return options;
}

}  // namespace

struct RedisTier::State {
  State(std::string_view url, RedisTierOptions opts)
      : options(checked(std::move(opts))),
        endpoint(redis::parsed_url(url)),
        label(endpoint.label()),
        resolver(endpoint.host, endpoint.port),
        pool({.limit = options.connections, .patience = kPatience, .exhausted = "busy"},
             [this] { return open(); }) {
    if (endpoint.transport == Endpoint::Transport::tls)
      tls.emplace(options.ca_file, options.certificate_file, options.key_file);
  }

  [[nodiscard]] Deadline deadline() const {
    return std::chrono::steady_clock::now() + options.timeout;
  }
  [[nodiscard]] std::unique_ptr<Connection> open() {
    connects.fetch_add(1, std::memory_order_relaxed);
    return std::make_unique<Connection>(endpoint, resolver, tls ? &*tls : nullptr,
                                        kOrderBytes + options.max_value_bytes + 1, deadline());
  }
  [[nodiscard]] std::string key_prefix(std::string_view namespace_name) const {
    // What has a meaning in keys (colons, a cluster's braces) or patterns is escaped.
    return options.prefix + ':' + std::to_string(kSharedValueVersion) + ':' +
           redis::escaped(namespace_name) + ':';
  }

  // Runs `work` on a connection; what it throws spoils that.
  template <class Work>
  auto on_connection(Work&& work) {
    const Pool::Lease connection = pool.acquire();
    try {
      return work(*connection);
    } catch (const Error& failure) {
      connection->spoil();
      // A master that is one no more keeps its connections, while the address leads to the new one.
      if (std::string_view(failure.what()).find("READONLY") != std::string_view::npos) pool.drain();
      throw;
    } catch (...) {  // goes on
      connection->spoil();
      throw;
    }
  }

  // The same for calls that must neither throw nor wait.
  template <class Work>
  std::optional<TierFailure> guarded(Breaker& breaker, Work&& work) noexcept {
    try {
      if (!breaker.allows(options.clock->now())) return skip("slow or failing a moment ago");
      try {
        on_connection(work);
      } catch (const Timeout&) {  // the pool's alone: nothing has failed
        return skip("all connections are in use");
      } catch (const std::exception& thrown) {
        note_failure(breaker, thrown);
        failures.fetch_add(1, std::memory_order_relaxed);
        const MutexLock lock(failure_mutex);
        last_failure = thrown.what();
        return TierFailure{.tried = true, .cause = last_failure};
      }
      breaker.succeeded();
      return std::nullopt;
    } catch (const std::exception&) {  // no memory for the cause
      return TierFailure{};
    }
  }
  // A server that does not answer, or is gone, fails for both kinds of calls: one caller has waited.
  void note_failure(Breaker& breaker, const std::exception& thrown) noexcept {
    const auto* failure = dynamic_cast<const Error*>(&thrown);
    const MonotonicTime now = options.clock->now();
    breaker.failed(now);
    if (failure == nullptr || !failure->connection_lost()) return;
    reads_breaker.failed(now);
    writes_breaker.failed(now);
  }
  std::optional<TierFailure> skip(const char* why) {
    skipped.fetch_add(1, std::memory_order_relaxed);
    return TierFailure{.tried = false, .cause = why};
  }

  void read(Connection& connection, std::string_view namespace_name, std::span<TierRead> wanted,
            Deadline until) {
    const std::string prefix = key_prefix(namespace_name);
    // One byte more than is taken, which tells what is too large; the server cuts off the rest.
    const std::string last = std::to_string(kOrderBytes + options.max_value_bytes);
    std::string commands;
    for (const TierRead& one : wanted)
      redis::append_command(commands, {"GETRANGE", prefix + one.name.hex(), "0", last});
    connection.send(commands, until);
    for (TierRead& one : wanted) {
      const Reply reply = connection.next(until);
      const bool foreign = reply.is == Reply::Is::error && redis::code_of(reply) == "WRONGTYPE";
      if (!foreign && reply.is != Reply::Is::text) throw redis::refusal(label, reply);
      if (!foreign && reply.text.empty()) continue;  // a miss
      if (!foreign)
        one.value = decode_ordered(*options.codec, {namespace_name, one.name}, reply.text,
                                   options.max_value_bytes);
      (one.value ? hits : corrupt).fetch_add(1, std::memory_order_relaxed);
    }
  }

  // Whether the value was kept, and did not come too late.
  bool put(Connection& connection, const std::string& key, const std::string& bytes,
           std::chrono::milliseconds ttl, Deadline until) {
    const std::string milliseconds = std::to_string(ttl.count());
    for (const bool known : {true, false}) {
      std::string command;
      redis::append_command(
          command, {known ? "EVALSHA" : "EVAL", known ? redis::kPutScriptName : redis::kPutScript,
                    "1", key, bytes, milliseconds});
      connection.send(command, until);
      const Reply reply = connection.next(until);
      if (known && reply.is == Reply::Is::error && redis::code_of(reply) == "NOSCRIPT") continue;
      if (reply.is != Reply::Is::number) throw redis::refusal(label, reply);
      return reply.number == 1;
    }
    return false;
  }

  std::size_t remove(Connection& connection, std::span<const std::string> keys, Deadline until) {
    std::string commands;
    for (const std::string& key : keys) redis::append_command(commands, {"UNLINK", key});
    connection.send(commands, until);
    std::size_t removed = 0;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const Reply reply = connection.next(until);
      if (reply.is != Reply::Is::number) throw redis::refusal(label, reply);
      removed += reply.number == 1 ? 1 : 0;
    }
    return removed;
  }

  const RedisTierOptions options;
  const Endpoint endpoint;
  const std::string label;
  redis::Resolver resolver;
  std::optional<redis::TlsContext> tls;
  Breaker reads_breaker;
  Breaker writes_breaker;
  std::atomic<std::uint64_t> reads{0}, hits{0}, corrupt{0}, failures{0}, skipped{0}, stored{0},
      superseded{0}, oversize{0}, connects{0};
  mutable Mutex failure_mutex;
  std::string last_failure QUERYMARK_GUARDED_BY(failure_mutex);
  Pool pool;  // its connections use what stands above
};

RedisTier::RedisTier(const std::string& url, RedisTierOptions options)
    : state_(std::make_unique<State>(url, std::move(options))) {}
RedisTier::RedisTier(RedisTier&&) noexcept = default;
RedisTier& RedisTier::operator=(RedisTier&&) noexcept = default;
RedisTier::~RedisTier() = default;

std::string_view RedisTier::label() const noexcept { return "redis"; }
const std::string& RedisTier::url() const noexcept { return state_->label; }

TierLimits RedisTier::limits() const noexcept {
  return {.max_value_bytes = state_->options.max_value_bytes, .deadline = state_->options.timeout};
}

std::optional<TierFailure> RedisTier::read(std::string_view namespace_name,
                                           std::span<TierRead> wanted) noexcept {
  State& state = *state_;
  if (wanted.empty()) return std::nullopt;
  state.reads.fetch_add(wanted.size(), std::memory_order_relaxed);
  const Deadline until = state.deadline();
  return state.guarded(state.reads_breaker, [&](Connection& connection) {
    state.read(connection, namespace_name, wanted, until);
  });
}

StoreStatus RedisTier::put(std::string_view namespace_name, const Digest& name,
                           const SharedValue& value) noexcept {
  State& state = *state_;
  try {
    const auto ttl = value.expires - state.options.clock->wall_now();
    if (ttl.count() < 1) return StoreStatus::expired;
    const auto bytes = encode_ordered(*state.options.codec, {namespace_name, name}, value,
                                      state.options.max_value_bytes);
    if (!bytes) {
      state.oversize.fetch_add(1, std::memory_order_relaxed);
      return StoreStatus::oversize;
    }
    const std::string key = state.key_prefix(namespace_name) + name.hex();
    const Deadline until = state.deadline();
    bool kept = false;
    const auto failed = state.guarded(state.writes_breaker, [&](Connection& connection) {
      kept = state.put(connection, key, *bytes, ttl, until);
    });
    if (failed) return StoreStatus::failed;
    (kept ? state.stored : state.superseded).fetch_add(1, std::memory_order_relaxed);
    return kept ? StoreStatus::stored : StoreStatus::superseded;
  } catch (const std::exception&) {  // no memory, or it can't be sealed: a loss, counted
    state.failures.fetch_add(1, std::memory_order_relaxed);
    return StoreStatus::failed;
  }
}

std::size_t RedisTier::remove(std::string_view namespace_name, std::span<const Digest> names) {
  State& state = *state_;
  const std::string prefix = state.key_prefix(namespace_name);
  std::vector<std::string> keys;
  keys.reserve(names.size());
  for (const Digest& name : names) keys.push_back(prefix + name.hex());
  if (keys.empty()) return 0;
  return state.on_connection(
      [&](Connection& connection) { return state.remove(connection, keys, state.deadline()); });
}

void RedisTier::check() {
  State& state = *state_;
  const Digest name = sha256({"querymark", "redis check"});
  const std::string key = state.key_prefix("querymark.check") + name.hex();
  state.on_connection([&](Connection& connection) {
    TierRead nothing{.name = name};
    state.read(connection, "querymark.check", {&nothing, 1}, state.deadline());
    state.put(connection, key, std::string(kOrderBytes, '\0'), std::chrono::seconds(1),
              state.deadline());
    state.remove(connection, {&key, 1}, state.deadline());
  });
}

RedisTierStats RedisTier::stats() const {
  const State& state = *state_;
  const MutexLock lock(state.failure_mutex);
  return {.reads = state.reads.load(),
          .hits = state.hits.load(),
          .corrupt = state.corrupt.load(),
          .failures = state.failures.load(),
          .skipped = state.skipped.load(),
          .stored = state.stored.load(),
          .superseded = state.superseded.load(),
          .oversize = state.oversize.load(),
          .connects = state.connects.load(),
          .last_failure = state.last_failure};
}

}  // namespace querymark

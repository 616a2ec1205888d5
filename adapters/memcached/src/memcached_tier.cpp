#include "querymark/memcached/memcached_tier.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <utility>

#include "connection.hpp"
#include "key_prefix.hpp"
#include "querymark/support/connection_pool.hpp"
#include "querymark/support/mutex.hpp"
#include "querymark/tier/breaker.hpp"
#include "querymark/tier/ordered_value.hpp"
#include "servers.hpp"
#include "socket.hpp"

// A call: who has the name (Ring) -> that server's breaker, one for reads and one for writes, says whether to
// try -> a connection of its pool, opened if need be -> a command and its answer. Whatever fails spoils
// the connection: an answer that comes too late would be taken for that to another question. A read of
// several servers asks them all before it awaits the first.
//
// No lock is held while anything is sent or awaited.

namespace querymark {
namespace {

using memcached::Connection;
using memcached::Endpoint;
using memcached::Item;
using memcached::Stored;
using net::Deadline;

using MemcachedPool = ConnectionPool<Connection>;

constexpr std::chrono::milliseconds kPoolPatience{5};  // for a connection that others use
// What is longer would be taken for a date.
constexpr std::chrono::seconds kLongestLife = std::chrono::hours(24 * 30);

MemcachedTierOptions checked_options(MemcachedTierOptions options) {
  net::require_key_prefix(options.prefix, "a memcached tier");
  constexpr std::size_t kMostBytes = (1U << 30U) - 1024;  // a server takes 1 GiB, if told to
  if (options.max_value_bytes == 0 || options.max_value_bytes > kMostBytes)
    throw ConfigError("max_value_bytes of a memcached tier must be 1 to " +
                      std::to_string(kMostBytes));
  if (options.timeout.count() == 0)
    throw ConfigError("the timeout of a memcached tier must be longer than zero");
  if (!options.codec) options.codec = plain_values();
  return options;
}

std::uint64_t point_of(const Digest& name) noexcept {
  std::uint64_t point = 0;
  for (std::size_t i = 0; i < 8; ++i) point = point << 8U | name.bytes[i];
  return point;
}

/// One of the servers.
struct Node {
  Node(Endpoint where, const MemcachedTierOptions& options, std::atomic<std::uint64_t>& connects)
      : endpoint(std::move(where)),
        label(endpoint.label()),
        resolver(endpoint.host, endpoint.port),
        pool({.limit = options.connections, .patience = kPoolPatience, .exhausted = "busy"},
             [this, &options, &connects] {
               connects.fetch_add(1, std::memory_order_relaxed);
               return std::make_unique<Connection>(
                   endpoint.host.empty() ? net::connected(endpoint.path, label, open_until)
                                         : net::connected(resolver, label, open_until),
                   label, kOrderBytes + options.max_value_bytes);
             }) {}

  [[nodiscard]] MemcachedPool::Lease acquire(Deadline until) {
    open_until = until;
    return pool.acquire();
  }

  const Endpoint endpoint;
  const std::string label;
  net::Resolver resolver;
  Breaker reads_breaker;
  Breaker writes_breaker;
  MemcachedPool pool;  // its connections use what stands above

 private:
  // The deadline of the call that opens a connection, in whose thread the pool has it opened.
  static inline thread_local Deadline open_until;
};

/// A server's part of a read.
struct Share {
  std::map<std::string, std::vector<TierRead*>, std::less<>> wanted{};  // by key
  std::string keys{};                                                   // of all of them
  std::optional<MemcachedPool::Lease> connection{};
};

}  // namespace

struct MemcachedTier::State {
  State(const std::string& servers, MemcachedTierOptions opts)
      : options(checked_options(std::move(opts))) {
    for (Endpoint& endpoint : memcached::parsed_servers(servers)) {
      labels.push_back(endpoint.label());
      nodes.push_back(std::make_unique<Node>(std::move(endpoint), options, connects));
    }
    ring.emplace(labels);
  }

  [[nodiscard]] Deadline deadline() const {
    return std::chrono::steady_clock::now() + options.timeout;
  }
  [[nodiscard]] Node& node_of(const Digest& name) const noexcept {
    return *nodes[ring->owner(point_of(name))];
  }
  // Of any namespace in the 250 plain bytes that a key may have.
  [[nodiscard]] std::string key_of(std::string_view namespace_name, const Digest& name) const {
    return options.prefix + ':' + std::to_string(kSharedValueVersion) + ':' +
           sha256({"querymark memcached", namespace_name, name.view()}).hex();
  }

  [[nodiscard]] std::string lease_key_of(std::string_view namespace_name,
                                         const Digest& name) const {
    return options.prefix +
           ":lease:" + sha256({"querymark memcached lease", namespace_name, name.view()}).hex();
  }
  // One exchange with whom the name belongs to, for calls that must not throw. False: nothing is
  // known.
  template <class Exchange>
  bool exchanged(const Digest& name, Exchange&& exchange) noexcept {
    const Deadline until = deadline();
    Node& node = node_of(name);
    return !guarded(node, node.writes_breaker, [&] {
      const MemcachedPool::Lease connection = node.acquire(until);
      on(*connection, [&](Connection& on_it) { exchange(on_it, until); });
    });
  }

  // Runs `work` on the connection; what it throws spoils that.
  template <class Work>
  static auto on(Connection& connection, Work&& work) {
    try {
      return work(connection);
    } catch (...) {  // goes on
      connection.spoil();
      throw;
    }
  }

  // Runs `work`, which must neither throw nor wait beyond the deadline, unless the breaker forbids it.
  template <class Work>
  std::optional<TierFailure> guarded(Node& node, Breaker& breaker, Work&& work) noexcept {
    try {
      if (!breaker.allows(options.clock->now())) return skip("slow or failing a moment ago");
      return watched(node, breaker, std::forward<Work>(work));
    } catch (const std::exception&) {  // no memory for the cause
      return TierFailure{};
    }
  }
  // The second half of that.
  template <class Work>
  std::optional<TierFailure> watched(Node& node, Breaker& breaker, Work&& work) {
    try {
      work();
    } catch (const Timeout&) {  // the pool's alone: nothing has failed
      return skip("all connections are in use");
    } catch (const std::exception& thrown) {
      return fail(node, breaker, thrown);
    }
    breaker.succeeded();
    return std::nullopt;
  }
  TierFailure fail(Node& node, Breaker& breaker, const std::exception& thrown) {
    const auto* failure = dynamic_cast<const Error*>(&thrown);
    const MonotonicTime now = options.clock->now();
    breaker.failed(now);
    // A server that does not answer, or is gone, fails for both kinds of calls.
    if (failure != nullptr && failure->connection_lost()) {
      node.reads_breaker.failed(now);
      node.writes_breaker.failed(now);
    }
    failures.fetch_add(1, std::memory_order_relaxed);
    const MutexLock lock(failure_mutex);
    last_failure = thrown.what();
    return TierFailure{.tried = true, .cause = last_failure};
  }
  std::optional<TierFailure> skip(const char* why) {
    skipped.fetch_add(1, std::memory_order_relaxed);
    return TierFailure{.tried = false, .cause = why};
  }

  // Which server is asked for what: each name once, however often it is wanted.
  [[nodiscard]] std::map<std::size_t, Share> shares_of(std::string_view namespace_name,
                                                       std::span<TierRead> wanted) const {
    std::map<std::size_t, Share> shares;
    for (TierRead& one : wanted) {
      Share& share = shares[ring->owner(point_of(one.name))];
      const auto [place, fresh] = share.wanted.try_emplace(key_of(namespace_name, one.name));
      if (fresh) share.keys.append(share.keys.empty() ? "" : " ").append(place->first);
      place->second.push_back(&one);
    }
    return shares;
  }

  void receive(Connection& connection, const Share& share, const Node& node,
               std::string_view namespace_name, Deadline until) {
    while (const auto item = connection.next(until)) {
      const auto found = share.wanted.find(item->key);
      if (found == share.wanted.end())
        throw Error(node.label + ": what answers gives what nobody has asked for",
                    {.retryable = true, .connection_lost = true});
      TierRead& first = *found->second.front();
      first.value = decode_ordered(*options.codec, {namespace_name, first.name}, item->bytes,
                                   options.max_value_bytes);
      for (TierRead* one : found->second) {
        if (one != &first) one->value = first.value;
        (one->value ? hits : corrupt).fetch_add(1, std::memory_order_relaxed);
      }
    }
  }

  // Index of one that has answered; any when the deadline passes first.
  static std::size_t first_to_answer(std::span<const std::pair<Node*, Share*>> asked,
                                     Deadline until) {
    if (asked.size() == 1) return 0;
    std::vector<const net::Socket*> sockets;
    for (const auto& [node, share] : asked) sockets.push_back((*share->connection)->socket());
    return net::Socket::first_to_speak(sockets, until).value_or(0);
  }

  std::optional<TierFailure> read(std::string_view namespace_name, std::span<TierRead> wanted,
                                  Deadline until) {
    std::map<std::size_t, Share> shares = shares_of(namespace_name, wanted);
    std::optional<TierFailure> first_failure;
    const auto note = [&](std::optional<TierFailure> failure) {
      if (failure && (!first_failure || !first_failure->tried)) first_failure = std::move(failure);
    };
    for (auto& [owner, share] : shares) {
      Node& node = *nodes[owner];
      auto failure = guarded(node, node.reads_breaker, [&, &to_ask = share] {
        to_ask.connection.emplace(node.acquire(until));
        on(**to_ask.connection, [&](Connection& on_it) { on_it.ask("get", to_ask.keys, until); });
      });
      if (!failure) continue;
      share.connection.reset();
      note(std::move(failure));
    }
    std::vector<std::pair<Node*, Share*>> asked;
    for (auto& [owner, share] : shares)
      if (share.connection) asked.emplace_back(nodes[owner].get(), &share);
    while (!asked.empty()) {
      // Who answers first is read first: one that hangs takes no time from the others.
      const auto next = asked.begin() + static_cast<std::ptrdiff_t>(first_to_answer(asked, until));
      Node& node = *next->first;
      Share& share = *next->second;
      asked.erase(next);
      note(watched(node, node.reads_breaker, [&] {
        on(**share.connection,
           [&](Connection& on_it) { receive(on_it, share, node, namespace_name, until); });
      }));
    }
    return first_failure;
  }

  StoreStatus store(Connection& connection, const std::string& key, const std::string& bytes,
                    std::chrono::seconds ttl, Deadline until) {
    // Others may come in between; each time somebody's value is kept.
    for (;;) {
      std::optional<std::uint64_t> cas;
      bool later = false;
      connection.ask("gets", key, until);
      while (const auto item = connection.next(until)) {
        cas = item->cas;
        later = holds_later(item->bytes, bytes);
      }
      if (later) return StoreStatus::superseded;
      switch (cas ? connection.replace(key, *cas, bytes, ttl, until)
                  : connection.add(key, bytes, ttl, until)) {
        case Stored::yes:
          return StoreStatus::stored;
        case Stored::too_large:
          return StoreStatus::oversize;
        case Stored::no:
          break;
      }
      if (std::chrono::steady_clock::now() > until)
        throw Error("others store under the same name all the time", {.retryable = true});
    }
  }

  const MemcachedTierOptions options;
  std::atomic<std::uint64_t> reads{0}, hits{0}, corrupt{0}, failures{0}, skipped{0}, stored{0},
      superseded{0}, oversize{0}, connects{0};
  mutable Mutex failure_mutex;
  std::string last_failure QUERYMARK_GUARDED_BY(failure_mutex);
  std::vector<std::string> labels;
  std::vector<std::unique_ptr<Node>> nodes;  // in the order of their labels
  std::optional<memcached::Ring> ring;
};

MemcachedTier::MemcachedTier(const std::string& servers, MemcachedTierOptions options)
    : state_(std::make_unique<State>(servers, std::move(options))) {}
MemcachedTier::MemcachedTier(MemcachedTier&&) noexcept = default;
MemcachedTier& MemcachedTier::operator=(MemcachedTier&&) noexcept = default;
MemcachedTier::~MemcachedTier() = default;

std::string_view MemcachedTier::label() const noexcept { return "memcached"; }
std::vector<std::string> MemcachedTier::servers() const { return state_->labels; }

TierLimits MemcachedTier::limits() const noexcept {
  return {.max_value_bytes = state_->options.max_value_bytes, .deadline = state_->options.timeout};
}

std::optional<TierFailure> MemcachedTier::read(std::string_view namespace_name,
                                               std::span<TierRead> wanted) noexcept {
  State& state = *state_;
  if (wanted.empty()) return std::nullopt;
  state.reads.fetch_add(wanted.size(), std::memory_order_relaxed);
  try {
    return state.read(namespace_name, wanted, state.deadline());
  } catch (const std::exception&) {  // no memory for the question
    state.failures.fetch_add(1, std::memory_order_relaxed);
    return TierFailure{};
  }
}

StoreStatus MemcachedTier::put(std::string_view namespace_name, const Digest& name,
                               const SharedValue& value) noexcept {
  State& state = *state_;
  try {
    const auto left =
        std::chrono::floor<std::chrono::seconds>(value.expires - state.options.clock->wall_now());
    if (left < std::chrono::seconds(1)) return StoreStatus::expired;  // 0 would be for ever
    const auto ttl = std::min(left, kLongestLife);
    const auto bytes = encode_ordered(*state.options.codec, {namespace_name, name}, value,
                                      state.options.max_value_bytes);
    StoreStatus status = bytes ? StoreStatus::failed : StoreStatus::oversize;
    if (bytes) {
      const std::string key = state.key_of(namespace_name, name);
      const Deadline until = state.deadline();
      Node& node = state.node_of(name);
      static_cast<void>(state.guarded(node, node.writes_breaker, [&] {
        const MemcachedPool::Lease connection = node.acquire(until);
        status = State::on(*connection, [&](Connection& on_it) {
          return state.store(on_it, key, *bytes, ttl, until);
        });
      }));
    }
    if (status == StoreStatus::stored) state.stored.fetch_add(1, std::memory_order_relaxed);
    if (status == StoreStatus::superseded) state.superseded.fetch_add(1, std::memory_order_relaxed);
    if (status == StoreStatus::oversize) state.oversize.fetch_add(1, std::memory_order_relaxed);
    return status;
  } catch (const std::exception&) {  // no memory, or it can't be sealed: a loss, counted
    state.failures.fetch_add(1, std::memory_order_relaxed);
    return StoreStatus::failed;
  }
}

bool MemcachedTier::grants_leases() const noexcept { return true; }

LeaseAnswer MemcachedTier::lease(std::string_view namespace_name, const Digest& name,
                                 std::string_view token,
                                 std::chrono::milliseconds longest) noexcept {
  State& state = *state_;
  Stored stored = Stored::too_large;
  const auto ttl = std::clamp(std::chrono::ceil<std::chrono::seconds>(longest),
                              std::chrono::seconds(1), kLongestLife);
  const bool answered = state.exchanged(name, [&](Connection& connection, Deadline until) {
    stored = connection.add(state.lease_key_of(namespace_name, name), token, ttl, until);
  });
  if (!answered || stored == Stored::too_large) return LeaseAnswer::failed;
  return stored == Stored::yes ? LeaseAnswer::granted : LeaseAnswer::taken;
}

void MemcachedTier::release(std::string_view namespace_name, const Digest& name,
                            std::string_view token) noexcept {
  State& state = *state_;
  static_cast<void>(state.exchanged(name, [&](Connection& connection, Deadline until) {
    const std::string key = state.lease_key_of(namespace_name, name);
    std::optional<std::uint64_t> own;
    connection.ask("gets", key, until);
    while (const auto item = connection.next(until))
      if (item->bytes == token) own = item->cas;
    constexpr std::chrono::seconds kOver{-1};
    if (own) static_cast<void>(connection.replace(key, *own, "", kOver, until));
  }));
}

std::size_t MemcachedTier::remove(std::string_view namespace_name, std::span<const Digest> names) {
  State& state = *state_;
  std::vector<std::vector<std::string>> keys(state.nodes.size());
  for (const Digest& name : names)
    keys[state.ring->owner(point_of(name))].push_back(state.key_of(namespace_name, name));
  std::size_t removed = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].empty()) continue;
    const Deadline until = state.deadline();
    const MemcachedPool::Lease connection = state.nodes[i]->acquire(until);
    removed +=
        State::on(*connection, [&](Connection& on_it) { return on_it.remove(keys[i], until); });
  }
  return removed;
}

void MemcachedTier::check() {
  State& state = *state_;
  const std::string key = state.key_of("querymark.check", sha256({"querymark", "memcached check"}));
  for (const auto& node : state.nodes) {
    const Deadline until = state.deadline();
    const MemcachedPool::Lease connection = node->acquire(until);
    State::on(*connection, [&](Connection& on_it) {
      static_cast<void>(
          state.store(on_it, key, std::string(kOrderBytes, '\0'), std::chrono::seconds(1), until));
      return on_it.remove({&key, 1}, until);
    });
  }
}

MemcachedTierStats MemcachedTier::stats() const {
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

#include "querymark/memcached/memcached_tier.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "connection.hpp"
#include "key_prefix.hpp"
#include "querymark/tier/ordered_value.hpp"
#include "round.hpp"
#include "server.hpp"
#include "servers.hpp"
#include "socket.hpp"
#include "tier_counters.hpp"

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
using memcached::Stored;
using net::Deadline;

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

/// One of the servers. Thread-safe.
class MemcachedNode : public net::Server<Connection> {
 public:
  MemcachedNode(Endpoint endpoint, const MemcachedTierOptions& options,
                std::atomic<std::uint64_t>& connects)
      : Server(endpoint.label(), options.connections, kPatience,
               [this](Deadline until) { return opened(until); }),
        endpoint_(std::move(endpoint)),
        resolver_(endpoint_.host, endpoint_.port),
        max_bytes_(kOrderBytes + options.max_value_bytes),
        connects_(connects) {}

 private:
  [[nodiscard]] std::unique_ptr<Connection> opened(Deadline until) {
    connects_.fetch_add(1, std::memory_order_relaxed);
    return std::make_unique<Connection>(endpoint_.host.empty()
                                            ? net::connected(endpoint_.path, label(), until)
                                            : net::connected(resolver_, label(), until),
                                        label(), max_bytes_);
  }

  const Endpoint endpoint_;
  net::Resolver resolver_;
  const std::size_t max_bytes_;
  std::atomic<std::uint64_t>& connects_;
};

using MemcachedRound = net::Round<MemcachedNode>;

/// A server's part of a read.
struct Share : net::Part<MemcachedNode> {
  using net::Part<MemcachedNode>::Part;
  std::map<std::string, std::vector<TierRead*>, std::less<>> wanted{};  // by key
  std::string keys{};                                                   // of all of them
};

/// A value on its way.
struct Put {
  enum class Step : std::uint8_t { look, store, over };
  TierPut* put = nullptr;
  std::string key{};
  std::string bytes{};
  std::chrono::seconds ttl{};
  std::optional<std::uint64_t> replaces{};  // what is there, nothing later
  Step step = Step::look;

  void end(StoreStatus status) {
    put->status = status;
    step = Step::over;
  }
};

/// A server's part of them.
struct PutShare : net::Part<MemcachedNode> {
  using net::Part<MemcachedNode>::Part;
  std::vector<Put*> puts{};
};

}  // namespace

struct MemcachedTier::State {
  State(const std::string& servers, MemcachedTierOptions opts)
      : options(checked_options(std::move(opts))) {
    for (Endpoint& endpoint : memcached::parsed_servers(servers)) {
      labels.push_back(endpoint.label());
      nodes.push_back(
          std::make_shared<MemcachedNode>(std::move(endpoint), options, counters.connects));
    }
    ring.emplace(labels);
  }

  [[nodiscard]] Deadline deadline() const {
    return std::chrono::steady_clock::now() + options.timeout;
  }
  [[nodiscard]] const std::shared_ptr<MemcachedNode>& node_of(const Digest& name) const noexcept {
    return nodes[ring->owner(point_of(name))];
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
  // What became of `work`, done on a connection to one server.
  template <class Work>
  net::Outcome converse(net::Access access, const std::shared_ptr<MemcachedNode>& node,
                        Work&& work) const {
    net::Outcome outcome;
    MemcachedRound(access, *options.clock, deadline(), outcome)
        .converse(node, std::forward<Work>(work));
    return outcome;
  }
  // The same with whom the name belongs to, for calls that must not throw: counted. False: nothing is
  // known.
  template <class Work>
  bool write(const Digest& name, Work&& work) noexcept {
    return !counters.guarded(
        [&] { return converse(net::Access::write, node_of(name), std::forward<Work>(work)); });
  }

  // Which server is asked for what: each name once, however often it is wanted.
  [[nodiscard]] std::vector<Share> shares_of(std::string_view namespace_name,
                                             std::span<TierRead> wanted) const {
    std::vector<Share> shares;
    for (TierRead& one : wanted) {
      const std::shared_ptr<MemcachedNode>& node = node_of(one.name);
      auto share = std::ranges::find(shares, node, &Share::node);
      if (share == shares.end()) {
        shares.emplace_back(node);
        share = std::prev(shares.end());
        share->due = 1;
      }
      const auto [place, fresh] = share->wanted.try_emplace(key_of(namespace_name, one.name));
      if (fresh) share->keys.append(share->keys.empty() ? "" : " ").append(place->first);
      place->second.push_back(&one);
    }
    return shares;
  }

  void receive(const Share& share, Connection& connection, std::string_view namespace_name,
               Deadline until) {
    while (const auto item = connection.next(until)) {
      const auto found = share.wanted.find(item->key);
      if (found == share.wanted.end())
        throw Error(share.node->label() + ": what answers gives what nobody has asked for",
                    {.retryable = true, .connection_lost = true});
      TierRead& first = *found->second.front();
      first.value = decode_ordered(*options.codec, {namespace_name, first.name}, item->bytes,
                                   options.max_value_bytes);
      for (TierRead* one : found->second) {
        if (one != &first) one->value = first.value;
        (one->value ? counters.hits : counters.corrupt).fetch_add(1, std::memory_order_relaxed);
      }
    }
  }

  net::Outcome read(std::string_view namespace_name, std::span<TierRead> wanted) {
    net::Outcome outcome;
    MemcachedRound round(net::Access::read, *options.clock, deadline(), outcome);
    std::vector<Share> shares = shares_of(namespace_name, wanted);
    for (Share& share : shares)
      round.ask(share, [&](Connection& connection, Deadline until) {
        connection.ask("get", share.keys, until);
      });
    round.hear(shares, [&](Share& share, Connection& connection, Deadline until) {
      receive(share, connection, namespace_name, until);
    });
    return outcome;
  }

  // What can be stored of them; of the others it says why not.
  std::vector<Put> encoded(std::string_view namespace_name, std::span<TierPut> values) {
    std::vector<Put> all;
    for (TierPut& put : values) {
      const auto left =
          std::chrono::floor<std::chrono::seconds>(put.value->expires - options.clock->wall_now());
      if (left < std::chrono::seconds(1)) {  // 0 would be for ever
        put.status = StoreStatus::expired;
        continue;
      }
      auto bytes = encode_ordered(*options.codec, {namespace_name, put.name}, *put.value,
                                  options.max_value_bytes);
      if (bytes)
        all.push_back({.put = &put,
                       .key = key_of(namespace_name, put.name),
                       .bytes = std::move(*bytes),
                       .ttl = std::min(left, kLongestLife)});
      else
        put.status = counters.counted(StoreStatus::oversize);
    }
    return all;
  }

  // Which server those belong to that are in this step.
  [[nodiscard]] std::vector<PutShare> shares_of(std::span<Put> puts, Put::Step step) const {
    std::vector<PutShare> shares;
    for (Put& one : puts) {
      if (one.step != step) continue;
      const std::shared_ptr<MemcachedNode>& node = node_of(one.put->name);
      auto share = std::ranges::find(shares, node, &PutShare::node);
      if (share == shares.end()) {
        shares.emplace_back(node);
        share = std::prev(shares.end());
      }
      share->puts.push_back(&one);
      ++share->due;
    }
    return shares;
  }

  // Asks what is there under their names, all servers at once.
  void look(std::span<Put> puts, MemcachedRound& round) const {
    std::vector<PutShare> shares = shares_of(puts, Put::Step::look);
    for (Put& one : puts)
      if (one.step == Put::Step::look) one.step = Put::Step::over;  // unless it is answered
    for (PutShare& share : shares)
      round.ask(share, [&](Connection& connection, Deadline until) {
        std::string keys;
        for (const Put* one : share.puts) keys.append(keys.empty() ? "" : " ").append(one->key);
        connection.ask("gets", keys, until);
      });
    round.hear(shares, [](PutShare& share, Connection& connection, Deadline until) {
      for (Put* one : share.puts) one->replaces.reset();
      std::vector<Put*> later;
      while (const auto item = connection.next(until))
        for (Put* one : share.puts)
          if (one->key == item->key) {
            one->replaces = item->cas;
            if (holds_later(item->bytes, one->bytes)) later.push_back(one);
          }
      for (Put* one : share.puts) one->step = Put::Step::store;
      for (Put* one : later) one->end(StoreStatus::superseded);
    });
  }

  // Stores those for which nothing later is there. Where others came in between it looks again.
  void store(std::span<Put> puts, MemcachedRound& round) const {
    std::vector<PutShare> shares = shares_of(puts, Put::Step::store);
    for (PutShare& share : shares)
      round.ask(share, [&](Connection& connection, Deadline until) {
        std::vector<Connection::Store> stores;
        stores.reserve(share.puts.size());
        for (const Put* one : share.puts)
          stores.push_back(
              {.key = one->key, .bytes = one->bytes, .ttl = one->ttl, .replaces = one->replaces});
        connection.send_stores(stores, until);
      });
    for (Put& one : puts)
      if (one.step == Put::Step::store) one.step = Put::Step::over;  // unless it is answered
    round.hear(shares, [](PutShare& share, Connection& connection, Deadline until) {
      std::exception_ptr refusal;  // of one, which is no other's
      for (Put* one : share.puts) {
        try {
          take(*one, connection.stored(until));
        } catch (const Error& refused) {
          if (refused.connection_lost()) throw;
          refusal = std::current_exception();
        }
        --share.due;
      }
      if (refusal) std::rethrow_exception(refusal);
    });
  }

  static void take(Put& one, Stored stored) {
    switch (stored) {
      case Stored::yes:
        return one.end(StoreStatus::stored);
      case Stored::too_large:
        return one.end(StoreStatus::oversize);
      case Stored::no:  // each time somebody's value is kept
        one.step = Put::Step::look;
        break;
    }
  }

  // Two round trips for all, however many servers they belong to; and two more for those that others
  // store at the same time.
  net::Outcome put(std::span<Put> puts, Deadline until) const {
    net::Outcome outcome;
    const auto at = [&](Put::Step step) {
      return std::ranges::any_of(puts, [&](const Put& one) { return one.step == step; });
    };
    for (bool first = true; at(Put::Step::look); first = false) {
      if (!first && std::chrono::steady_clock::now() > until)
        throw Error("others store under the same names all the time", {.retryable = true});
      MemcachedRound looking(net::Access::write, *options.clock, until, outcome);
      look(puts, looking);
      MemcachedRound storing(net::Access::write, *options.clock, until, outcome);
      store(puts, storing);
    }
    return outcome;
  }

  const MemcachedTierOptions options;
  net::TierCounters counters;
  std::vector<std::string> labels;
  std::vector<std::shared_ptr<MemcachedNode>> nodes;  // in the order of their labels
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
  state.counters.reads.fetch_add(wanted.size(), std::memory_order_relaxed);
  return state.counters.guarded([&] { return state.read(namespace_name, wanted); });
}

StoreStatus MemcachedTier::put(std::string_view namespace_name, const Digest& name,
                               const SharedValue& value) noexcept {
  TierPut one{.name = name, .value = &value};
  put_many(namespace_name, {&one, 1});
  return one.status;
}

void MemcachedTier::put_many(std::string_view namespace_name, std::span<TierPut> values) noexcept {
  State& state = *state_;
  for (TierPut& one : values) one.status = StoreStatus::failed;
  try {
    std::vector<Put> all = state.encoded(namespace_name, values);
    const Deadline until = state.deadline();
    for (std::span<Put> rest(all); !rest.empty();) {
      const auto some = rest.first(std::min(rest.size(), Connection::kAtOnce));
      static_cast<void>(state.counters.guarded([&] { return state.put(some, until); }));
      rest = rest.subspan(some.size());
    }
    for (const Put& one : all) state.counters.counted(one.put->status);
  } catch (const std::exception&) {  // no memory, or it can't be sealed: a loss, counted
    state.counters.failures.fetch_add(1, std::memory_order_relaxed);
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
  const bool answered = state.write(name, [&](Connection& connection, Deadline until) {
    const std::string key = state.lease_key_of(namespace_name, name);
    stored = connection.store({.key = key, .bytes = token, .ttl = ttl}, until);
  });
  if (!answered || stored == Stored::too_large) return LeaseAnswer::failed;
  return stored == Stored::yes ? LeaseAnswer::granted : LeaseAnswer::taken;
}

void MemcachedTier::release(std::string_view namespace_name, const Digest& name,
                            std::string_view token) noexcept {
  State& state = *state_;
  state.write(name, [&](Connection& connection, Deadline until) {
    const std::string key = state.lease_key_of(namespace_name, name);
    std::optional<std::uint64_t> own;
    connection.ask("gets", key, until);
    while (const auto item = connection.next(until))
      if (item->bytes == token) own = item->cas;
    constexpr std::chrono::seconds kOver{-1};
    if (own)
      static_cast<void>(connection.store({.key = key, .ttl = kOver, .replaces = own}, until));
  });
}

std::size_t MemcachedTier::remove(std::string_view namespace_name, std::span<const Digest> names) {
  State& state = *state_;
  std::vector<std::vector<std::string>> keys(state.nodes.size());
  for (const Digest& name : names)
    keys[state.ring->owner(point_of(name))].push_back(state.key_of(namespace_name, name));
  std::size_t removed = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].empty()) continue;
    const auto work = [&](Connection& connection, Deadline until) {
      removed += connection.remove(keys[i], until);
    };
    state.converse(net::Access::insist, state.nodes[i], work).require();
  }
  return removed;
}

void MemcachedTier::check() {
  State& state = *state_;
  const std::string key = state.key_of("querymark.check", sha256({"querymark", "memcached check"}));
  const auto work = [&](Connection& connection, Deadline until) {
    const std::string bytes(kOrderBytes, '\0');
    static_cast<void>(
        connection.store({.key = key, .bytes = bytes, .ttl = std::chrono::seconds(1)}, until));
    static_cast<void>(connection.remove({&key, 1}, until));
  };
  for (const auto& node : state.nodes) state.converse(net::Access::insist, node, work).require();
}

MemcachedTierStats MemcachedTier::stats() const {
  MemcachedTierStats stats;
  state_->counters.fill(stats);
  return stats;
}

}  // namespace querymark

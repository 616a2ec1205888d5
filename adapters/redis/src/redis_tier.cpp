#include "querymark/redis/redis_tier.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <optional>
#include <utility>

#include "exchange.hpp"
#include "key_prefix.hpp"
#include "put_script.hpp"
#include "querymark/tier/ordered_value.hpp"
#include "slots.hpp"
#include "tier_counters.hpp"
#include "topology.hpp"

// A call: commands on one key each -> those who have their keys' slots, all at once (`Exchange`): a
// breaker says of each whether to try -> a connection of its pool, opened if need be -> its commands
// in one go -> as many replies. Whatever fails spoils the connection: a reply that comes too late
// would be taken for the answer to another question. A tier that is one server is a cluster of one.
//
// A value's bytes begin with epoch and horizon, for the script that compares them (put_script.hpp).
//
// No lock is held while anything is sent or awaited.

namespace querymark {
namespace {

using redis::Access;
using redis::Command;
using redis::Deadline;
using redis::Outcome;
using redis::Reply;

// What a cluster of a thousand servers says of itself fits.
constexpr std::size_t kClusterText = 1U << 20U;

RedisTierOptions checked(RedisTierOptions options) {
  net::require_key_prefix(options.prefix, "a Redis tier");
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
      : State(redis::parsed_servers(url), checked(std::move(opts))) {}
  State(const redis::Servers& servers, RedisTierOptions opts)
      : options(std::move(opts)),
        label(servers.label()),
        tls(redis::tls_for(servers, options.ca_file, options.certificate_file, options.key_file)),
        topology(servers,
                 {.connections = options.connections,
                  .max_reply_bytes = std::max(kOrderBytes + options.max_value_bytes + 1,
                                              servers.cluster ? kClusterText : 0),
                  .tls = tls.get(),
                  .connects = &counters.connects},
                 *options.clock) {}

  [[nodiscard]] Deadline deadline() const {
    return std::chrono::steady_clock::now() + options.timeout;
  }
  [[nodiscard]] std::string key_prefix(std::string_view namespace_name) const {
    // What has a meaning in keys (colons, a cluster's braces) or patterns is escaped.
    return options.prefix + ':' + std::to_string(kSharedValueVersion) + ':' +
           redis::escaped(namespace_name) + ':';
  }

  // One server has all slots, so none is worth being computed.
  [[nodiscard]] std::uint16_t slot_of(std::string_view key) const noexcept {
    return topology.cluster() ? redis::slot_of(key) : std::uint16_t{0};
  }

  Outcome exchange(Access access, std::span<const Command> commands, Deadline until,
                   const redis::Exchange::Take& take) {
    Outcome outcome = redis::Exchange(topology, access, *options.clock, until).run(commands, take);
    redirected.fetch_add(outcome.redirected, std::memory_order_relaxed);
    return outcome;
  }

  Outcome read(Access access, std::string_view namespace_name, std::span<TierRead> wanted,
               Deadline until) {
    const std::string prefix = key_prefix(namespace_name);
    // One byte more than is taken, which tells what is too large; the server cuts off the rest.
    const std::string last = std::to_string(kOrderBytes + options.max_value_bytes);
    std::vector<Command> commands(wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const std::string key = prefix + wanted[i].name.hex();
      commands[i].slot = slot_of(key);
      redis::append_command(commands[i].bytes, {"GETRANGE", key, "0", last});
    }
    const auto take = [&](std::size_t at, const Reply& reply, const std::string& where) {
      TierRead& one = wanted[at];
      const bool foreign = reply.is == Reply::Is::error && redis::code_of(reply) == "WRONGTYPE";
      if (!foreign && reply.is != Reply::Is::text) throw redis::refusal(where, reply);
      if (!foreign && reply.text.empty()) return;  // a miss
      if (!foreign)
        one.value = decode_ordered(*options.codec, {namespace_name, one.name}, reply.text,
                                   options.max_value_bytes);
      (one.value ? counters.hits : counters.corrupt).fetch_add(1, std::memory_order_relaxed);
    };
    return exchange(access, commands, until, std::cref(take));
  }

  struct Put {
    TierPut* put;
    std::string key;
    std::string bytes;
    std::string milliseconds;
    bool unknown = false;  // the server does not know the script by its name
  };

  // What can be stored of them; of the others it says why not.
  std::vector<Put> encoded(std::string_view namespace_name, std::span<TierPut> values) {
    const std::string prefix = key_prefix(namespace_name);
    std::vector<Put> all;
    for (TierPut& put : values) {
      const auto ttl = put.value->expires - options.clock->wall_now();
      if (ttl.count() < 1) {
        put.status = StoreStatus::expired;
        continue;
      }
      auto bytes = encode_ordered(*options.codec, {namespace_name, put.name}, *put.value,
                                  options.max_value_bytes);
      if (bytes)
        all.push_back({.put = &put,
                       .key = prefix + put.name.hex(),
                       .bytes = std::move(*bytes),
                       .milliseconds = std::to_string(ttl.count())});
      else
        put.status = counters.counted(StoreStatus::oversize);
    }
    return all;
  }

  // All in one go, and those whose server does not know the script once more, with its text.
  Outcome put(Access access, std::span<Put> values, Deadline until) {
    Outcome outcome = put(access, values, until, true);
    if (std::ranges::any_of(values, &Put::unknown)) {
      const Outcome more = put(access, values, until, false);
      outcome.lost += more.lost;
      outcome.failures += more.failures;
      outcome.skips += more.skips;
      if (!outcome.failure) outcome.failure = more.failure;
      if (outcome.passed_by == nullptr) outcome.passed_by = more.passed_by;
    }
    return outcome;
  }

  Outcome put(Access access, std::span<Put> values, Deadline until, bool by_name) {
    std::vector<Command> commands;
    std::vector<Put*> sent;
    for (Put& one : values) {
      if (!by_name && !std::exchange(one.unknown, false)) continue;
      sent.push_back(&one);
      Command& command = commands.emplace_back(Command{.slot = slot_of(one.key)});
      redis::append_command(command.bytes, {by_name ? "EVALSHA" : "EVAL",
                                            by_name ? redis::kPutScriptName : redis::kPutScript,
                                            "1", one.key, one.bytes, one.milliseconds});
    }
    const auto take = [&](std::size_t at, const Reply& reply, const std::string& where) {
      Put& one = *sent[at];
      one.unknown = by_name && reply.is == Reply::Is::error && redis::code_of(reply) == "NOSCRIPT";
      if (one.unknown) return;
      if (reply.is != Reply::Is::number) throw redis::refusal(where, reply);
      one.put->status = reply.number == 1 ? StoreStatus::stored : StoreStatus::superseded;
    };
    return exchange(access, commands, until, std::cref(take));
  }

  [[nodiscard]] std::string lease_key(std::string_view namespace_name, const Digest& name) const {
    return key_prefix(namespace_name) + name.hex() + ":lease";
  }
  // One command about a lease, for calls that must not throw: what was said, or nothing.
  std::optional<Reply::Is> ask_lease(const std::string& key,
                                     std::initializer_list<std::string_view> words) noexcept {
    std::optional<Reply::Is> said;
    const auto failed = counters.guarded([&] {
      Command command{.slot = slot_of(key)};
      redis::append_command(command.bytes, words);
      return exchange(Access::write, {&command, 1}, deadline(),
                      [&](std::size_t, const Reply& reply, const std::string& where) {
                        if (reply.is == Reply::Is::error) throw redis::refusal(where, reply);
                        said = reply.is;
                      });
    });
    return failed ? std::nullopt : said;
  }

  std::size_t remove(std::span<const std::string> keys, Deadline until) {
    std::vector<Command> commands(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      commands[i].slot = slot_of(keys[i]);
      redis::append_command(commands[i].bytes, {"UNLINK", keys[i]});
    }
    std::size_t removed = 0;
    const auto take = [&](std::size_t, const Reply& reply, const std::string& where) {
      if (reply.is != Reply::Is::number) throw redis::refusal(where, reply);
      removed += reply.number == 1 ? 1 : 0;
    };
    exchange(Access::insist, commands, until, std::cref(take)).require();
    return removed;
  }

  const RedisTierOptions options;
  const std::string label;
  const std::unique_ptr<redis::TlsContext> tls;
  net::TierCounters counters;
  std::atomic<std::uint64_t> redirected{0};
  redis::Topology topology;  // its connections use what stands above
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
  state.counters.reads.fetch_add(wanted.size(), std::memory_order_relaxed);
  const Deadline until = state.deadline();
  return state.counters.guarded(
      [&] { return state.read(Access::read, namespace_name, wanted, until); });
}

StoreStatus RedisTier::put(std::string_view namespace_name, const Digest& name,
                           const SharedValue& value) noexcept {
  TierPut one{.name = name, .value = &value};
  put_many(namespace_name, {&one, 1});
  return one.status;
}

void RedisTier::put_many(std::string_view namespace_name, std::span<TierPut> values) noexcept {
  State& state = *state_;
  for (TierPut& one : values) one.status = StoreStatus::failed;
  try {
    std::vector<State::Put> all = state.encoded(namespace_name, values);
    if (all.empty()) return;
    const Deadline until = state.deadline();
    static_cast<void>(state.counters.guarded([&] { return state.put(Access::write, all, until); }));
    for (const State::Put& one : all) state.counters.counted(one.put->status);
  } catch (const std::exception&) {  // no memory, or it can't be sealed: a loss, counted
    state.counters.failures.fetch_add(1, std::memory_order_relaxed);
  }
}

bool RedisTier::grants_leases() const noexcept { return true; }

LeaseAnswer RedisTier::lease(std::string_view namespace_name, const Digest& name,
                             std::string_view token, std::chrono::milliseconds longest) noexcept {
  constexpr std::chrono::milliseconds kLongest = std::chrono::hours(24);
  try {
    const std::string key = state_->lease_key(namespace_name, name);
    const auto ttl = std::clamp(longest, std::chrono::milliseconds(1), kLongest);
    const auto said =
        state_->ask_lease(key, {"SET", key, token, "NX", "PX", std::to_string(ttl.count())});
    if (!said) return LeaseAnswer::failed;
    return *said == Reply::Is::text ? LeaseAnswer::granted : LeaseAnswer::taken;
  } catch (const std::exception&) {  // no memory for the question
    return LeaseAnswer::failed;
  }
}

void RedisTier::release(std::string_view namespace_name, const Digest& name,
                        std::string_view token) noexcept {
  constexpr std::string_view kScript =
      "if redis.call('GETRANGE', KEYS[1], 0, -1) == ARGV[1] then "
      "return redis.call('UNLINK', KEYS[1]) end return 0";
  try {
    const std::string key = state_->lease_key(namespace_name, name);
    state_->ask_lease(key, {"EVAL", kScript, "1", key, token});
  } catch (const std::exception&) {  // no memory for the question; it ends by itself
    state_->counters.failures.fetch_add(1, std::memory_order_relaxed);
  }
}

std::size_t RedisTier::remove(std::string_view namespace_name, std::span<const Digest> names) {
  State& state = *state_;
  const std::string prefix = state.key_prefix(namespace_name);
  std::vector<std::string> keys;
  keys.reserve(names.size());
  for (const Digest& name : names) keys.push_back(prefix + name.hex());
  if (keys.empty()) return 0;
  return state.remove(keys, state.deadline());
}

void RedisTier::check() {
  State& state = *state_;
  const Digest name = sha256({"querymark", "redis check"});
  const std::string key = state.key_prefix("querymark.check") + name.hex();
  TierRead nothing{.name = name};
  state.read(Access::insist, "querymark.check", {&nothing, 1}, state.deadline()).require();
  TierPut nobodys{.name = name};
  State::Put one{
      .put = &nobodys, .key = key, .bytes = std::string(kOrderBytes, '\0'), .milliseconds = "1000"};
  state.put(Access::insist, {&one, 1}, state.deadline()).require();
  state.remove({&key, 1}, state.deadline());
}

RedisTierStats RedisTier::stats() const {
  RedisTierStats stats{.redirected = state_->redirected.load()};
  state_->counters.fill(stats);
  return stats;
}

}  // namespace querymark

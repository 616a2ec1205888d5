#pragma once

#include <concepts>
#include <deque>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "querymark/key/key_encoder.hpp"
#include "querymark/read/ahead.hpp"
#include "querymark/read/begun_read.hpp"
#include "querymark/read/blocking_driver.hpp"
#include "querymark/read/explanation.hpp"
#include "querymark/read/in_transaction.hpp"
#include "querymark/read/one_row.hpp"
#include "querymark/read/prepared_batch.hpp"
#include "querymark/read/prepared_core.hpp"
#include "querymark/read/prepared_many.hpp"
#include "querymark/read/query_request.hpp"
#include "querymark/read/read_options.hpp"
#include "querymark/read/reading.hpp"
#include "querymark/read/refresh.hpp"
#include "querymark/read/route.hpp"

// For users.

namespace querymark {

template <class T, class... Args>
class PreparedQuery;

/// A query whose SQL is encoded once. Calling it encodes the parameters into a buffer on the stack;
/// a hit does not allocate (unless a parameter has to be converted to a longer text, or is a list).
/// Tags are built on a miss only, by callables that take the query's parameters.
///
/// A handle: copies share one state. Thread-safe. Called after the database it came from is no more,
/// it ends the process with a message. Its type holds the callables'; for a class member, name a
/// PreparedQuery.
///
/// Tags are a function of the parameters as long as the callables have no state; their types are
/// part of the key, so another call site with the same SQL and other tags has entries of its own.
/// Callables with state (captures, function pointers) work too, but are then asked at each hit.
template <class T, class Mapper, class... Taggers>
class Prepared : public detail::OneRow<Prepared<T, Mapper, Taggers...>, T> {
 public:
  using Handle = detail::HandleOf<T>;

  /// Made by a database's `prepare`.
  Prepared(Route route, std::string sql, Mapper mapper)
      : Prepared(detail::PreparedSetup{std::move(route), std::move(sql), {}}, mapper,
                 std::tuple<>{}) {
    detail::require_mapper<T, typename detail::WithoutOrdinal<Mapper>::Type>();
  }

  Prepared(Source& source, Loader& loader, std::string sql, Mapper mapper)
      : Prepared(Route(source, loader), std::move(sql), mapper) {}

  // A move is a copy, so a handle that was moved from can be called like any other.
  Prepared(const Prepared&) = default;
  Prepared& operator=(const Prepared&) = default;
  ~Prepared() = default;

  // See ReadOptions.

  [[nodiscard]] Prepared tag(Target target) const {
    return with([&](ReadOptions& options) { options.tags.push_back(std::move(target)); });
  }
  /// `tagger` makes a target, or a range of them, from the parameters.
  template <class Tagger>
    requires(!std::same_as<Tagger, Target>)
  [[nodiscard]] Prepared<T, Mapper, Taggers..., Tagger> tag(Tagger tagger) const {
    return {state_->setup, state_->mapper,
            std::tuple_cat(state_->taggers, std::tuple<Tagger>(std::move(tagger)))};
  }
  /// `tagger` makes a target, or a range of them, from each row: see RowTagger.
  template <class Tagger>
  [[nodiscard]] Prepared tag_rows(Tagger tagger) const {
    return with([&](ReadOptions& options) { options.row_tags.emplace_back(tagger); });
  }
  /// Throws ConfigError when negative.
  [[nodiscard]] Prepared ttl(TimeSpan ttl) const {
    return with([&](ReadOptions& options) { options.ttl = detail::not_negative(ttl, "a ttl"); });
  }
  /// Who says what makes it stale: see ReadOptions.
  [[nodiscard]] Prepared tagging(Tags tags) const {
    return with([&](ReadOptions& options) { options.tagging = tags; });
  }
  /// See ReadOptions. Throws ConfigError when negative.
  [[nodiscard]] Prepared untracked_ok(TimeSpan ttl) const {
    return with([&](ReadOptions& options) {
      options.untracked_ok = detail::not_negative(ttl, "untracked_ok");
    });
  }
  /// With automatic tags: functions in it that the database does not show read this table, whichever rows, and no
  /// others but those that are named likewise. Who promises too little is served stale results.
  [[nodiscard]] Prepared reads(std::string table) const {
    return with([&](ReadOptions& options) { options.promises.reads.push_back(std::move(table)); });
  }
  /// With automatic tags: this function, `name` or `schema.name`, depends on its arguments alone. Who promises that
  /// of one that does not is served stale results.
  [[nodiscard]] Prepared pure(std::string function) const {
    return with(
        [&](ReadOptions& options) { options.promises.pure.push_back(std::move(function)); });
  }
  /// What it is counted under: see ReadOptions.
  [[nodiscard]] Prepared name(std::string name) const {
    return with([&](ReadOptions& options) { options.name = std::move(name); });
  }
  [[nodiscard]] Prepared scope(std::string scope) const {
    return with([&](ReadOptions& options) { options.scope = std::move(scope); });
  }
  /// Throws ConfigError when negative.
  [[nodiscard]] Prepared timeout(TimeSpan timeout) const {
    return with([&](ReadOptions& options) {
      options.timeout = detail::not_negative(timeout, "a timeout");
    });
  }
  /// Who loads, among processes: see ReadOptions. Throws ConfigError when negative.
  [[nodiscard]] Prepared lease(TimeSpan longest) const {
    return with(
        [&](ReadOptions& options) { options.lease = detail::not_negative(longest, "a lease"); });
  }

  /// What it does beyond the ordinary. Throws ConfigError for what makes no sense.
  [[nodiscard]] Prepared policy(ReadPolicy policy) const {
    detail::require_sensible(policy);
    return with([&](ReadOptions& options) { options.policy = std::move(policy); });
  }

  /// The same query, read as freshly as that: a Consistency, or a user's session.
  [[nodiscard]] Reading<Prepared, T> reading(Consistency consistency) const {
    return {*this, std::move(consistency)};
  }
  /// No older than the write behind the receipt. See Consistency.
  [[nodiscard]] Reading<Prepared, T> at_least(Receipt receipt) const {
    return reading(Consistency::at_least(std::move(receipt)));
  }
  /// No older than the call. See Consistency.
  [[nodiscard]] Reading<Prepared, T> strong() const { return reading(Consistency::strong()); }

  /// Switches caching of this query off and on at run time, for all copies of this handle.
  void set_enabled(bool enabled) noexcept { state_->set_enabled(enabled); }

  /// The rows, from the cache or the database. Blocks on a miss. Throws Error.
  template <HasParameterTraits... Args>
  [[nodiscard]] Handle operator()(const Args&... args) const {
    return detail::serve<Handle>(*state_, declared_by<Args...>(), &load<Args...>, args...);
  }

  /// One call for each of `keys` (a forward range of parameters, or of tuples where the query has
  /// several), in their order: `take(place, rows)` gets the place and the handle of each. What memory
  /// has costs about half of what single calls cost, since memory is waited for once for a few keys.
  /// Not a snapshot: each is as fresh as a call of its own. What `take` throws ends it.
  template <std::ranges::forward_range Keys, std::invocable<std::size_t, Handle> Take>
  void many(const Keys& keys, Take&& take) const {
    detail::with_types_of<std::ranges::range_value_t<const Keys>>([&]<class... Args>() {
      static_assert((HasParameterTraits<Args> && ...));
      detail::serve_many<Handle>(*state_, declared_by<Args...>(), &load<Args...>, keys, take);
    });
  }

  /// For a query made by `prepare_many`: the rows of each key, in the order of the keys, as the call with
  /// that key gives them; `rest` are the parameters behind the list. Memory serves what it has, each
  /// shared tier is read once for what is missing, and one statement loads what is missing there as
  /// well, but for what others load already: that is waited for, when all of one's own is there. Each
  /// key is kept, tagged and judged by itself, so what is returned is of no one snapshot. Blocks. Throws
  /// Error; Timeout. Where it throws, what was loaded is kept.
  template <detail::KeyRange Keys, HasParameterTraits... Rest>
    requires(detail::kByOrdinal<Mapper>)
  [[nodiscard]] std::vector<Handle> fetch_many(const Keys& keys, const Rest&... rest) const {
    return many_by(detail::usual_way(*state_), true, keys, rest...);
  }

  /// Has the executor of the cache load what memory can't serve of this call, and does not wait for it;
  /// whoever asks meanwhile joins that load. What the executor can't take is counted
  /// (`CacheStats::refreshes_refused`). Throws ConfigError where the cache has none, and what taggers
  /// throw.
  template <HasParameterTraits... Args>
  void prefetch(const Args&... args) const {
    detail::prefetch_one(*state_, &load<Args...>, args...);
  }
  /// The same for each of a range of keys (`std::tuple`s of them, where a call has several): with one read
  /// of each shared tier for up to 500 of them, and, where the query was made by `prepare_many`, with one
  /// statement for what the tiers lack; else by a load for each. Where a tagger throws, the keys before
  /// are loaded all the same.
  template <std::ranges::forward_range Keys>
  void prefetch_each(const Keys& keys) const {
    with_each<Keys>([&](auto declared, auto detach_call) {
      detail::prefetch_each(*state_, declared, detach_call, keys);
    });
  }
  /// Fills memory with what a shared tier holds of these calls, before anybody asks: at a start, say. The
  /// database is not asked for what is missing there, nor for anything but its log; values are judged as
  /// those of any read. Blocks for a read of each tier for some calls together (WarmUpOptions::every).
  /// What befalls one call is counted, and the next is looked for. Throws ConfigError where no tier is
  /// attached.
  template <std::ranges::forward_range Keys>
  WarmUp warm_up(const Keys& keys, const WarmUpOptions& options = {}) const {
    WarmUp warm;
    with_each<Keys>([&](auto declared, auto detach_call) {
      warm = detail::warm_up(*state_, options, declared, detach_call, keys);
    });
    return warm;
  }

  /// The query inside a transaction, `by_id.in(tx)(7)`: see InTransaction.
  [[nodiscard]] InTransaction<Prepared, T> in(ReadTransaction& transaction) const {
    return {*this, transaction};
  }

  /// The call on an event loop, `by_id.async(7, boost::asio::use_awaitable)`: the parameters, then a
  /// completion token. Include `querymark/asio/asio.hpp`, which says more.
  template <class... ArgsAndToken>
  auto async(ArgsAndToken&&... args_and_token) const {
    return detail::AsyncCalls<Handle>::call(*this, std::forward<ArgsAndToken>(args_and_token)...);
  }
  /// `fetch_many` on an event loop: `by_ids.async_fetch_many(ids, boost::asio::use_awaitable)`. The keys,
  /// which are copied, then the other parameters, then a completion token; completes with a handle for
  /// each key.
  template <detail::KeyRange Keys, class... RestAndToken>
    requires(detail::kByOrdinal<Mapper>)
  auto async_fetch_many(const Keys& keys, RestAndToken&&... rest_and_token) const {
    return detail::AsyncCalls<std::vector<Handle>>::call_many(
        *this, keys, std::forward<RestAndToken>(rest_and_token)...);
  }
  /// For drivers: what memory has for the call, or else the read that is yet to be run. Does not block.
  /// Throws ConfigError for a query inside a caller's own transaction.
  template <HasParameterTraits... Args>
  [[nodiscard]] detail::BegunRead<Handle> begin_read(const Args&... args) const {
    return begin_at(detail::usual_way(*state_).consistency, args...);
  }

  /// The same of `fetch_many`.
  template <detail::KeyRange Keys, HasParameterTraits... Rest>
  [[nodiscard]] detail::BegunRead<std::vector<Handle>> begin_many(const Keys& keys,
                                                                  const Rest&... rest) const {
    return begin_many_by(detail::usual_way(*state_), true, keys, rest...);
  }

  /// How a call with these parameters is keyed, scoped, tagged and cached, and what memory has of it. Asks
  /// no database and no tier, and counts nothing. Throws what taggers and the policy's rules throw.
  template <HasParameterTraits... Args>
  [[nodiscard]] Explanation explain(const Args&... args) const {
    const ReadOptions& options = state_->setup.options;
    Source& source = state_->setup.route.source(state_->setup.sql);
    KeyEncoder encoder(*state_->prefix);
    (encoder.add_argument(args), ...);
    std::vector<Target> targets = options.tags;
    add_targets(*state_, targets, args...);
    const detail::CallParameters<Args...> values(args...);
    const bool wanted = state_->enabled.load(std::memory_order_relaxed);
    const detail::ExplainedText text{detail::session_of(state_->setup.route.loader()),
                                     values.views(), detail::kByOrdinal<Mapper>};
    Explanation found =
        detail::explain(source, encoder.call(), options, std::move(targets),
                        options.policy.cache_if(state_->setup.sql, values.views()), &text);
    if (!wanted) found.not_cached = Stored::disabled;
    return found;
  }
  /// The target that a key intent for this query with these parameters hits.
  template <HasParameterTraits... Args>
  [[nodiscard]] Target key(const Args&... args) const {
    return detail::key_of_call(*state_, args...);
  }

 private:
  template <class, class, class...>
  friend class Prepared;
  template <class, class...>
  friend class PreparedQuery;
  template <class, class>
  friend class Reading;
  template <class, class>
  friend class InTransaction;

  struct State : detail::PreparedCore {
    State(detail::PreparedSetup settings, Mapper mapping, std::tuple<Taggers...> makers)
        : PreparedCore(
              std::move(settings),
              detail::kByOrdinal<Mapper> ? KeyPrefix::Form::one_of_many : KeyPrefix::Form::sql,
              detail::stored_type_name<T, Mapper>(), {detail::type_tag<Taggers>()...}),
          mapper(mapping),
          taggers(std::move(makers)) {}
    [[no_unique_address]] Mapper mapper;
    [[no_unique_address]] std::tuple<Taggers...> taggers;
  };

  static constexpr bool kConstantTags = (std::is_empty_v<Taggers> && ...);

  Prepared(detail::PreparedSetup setup, const Mapper& mapper, std::tuple<Taggers...> taggers)
      : state_(std::make_shared<State>(std::move(setup), mapper, std::move(taggers))) {}

  template <class Change>
  [[nodiscard]] Prepared with(Change change) const {
    detail::PreparedSetup setup = state_->setup;
    change(setup.options);
    return {std::move(setup), state_->mapper, state_->taggers};
  }

  // The targets that the callables make from the parameters.
  template <class... Args>
  static void add_targets(const State& state, std::vector<Target>& targets, const Args&... args) {
    std::apply([&](const auto&... tagger) { (detail::add_tagged(targets, tagger(args...)), ...); },
               state.taggers);
  }
  // All that the call declares, where that is no function of the key.
  template <class... Args>
  static std::vector<TargetId> declared(const detail::PreparedCore& core, const Args&... args) {
    std::vector<Target> targets = core.setup.options.tags;
    add_targets(static_cast<const State&>(core), targets, args...);
    return ids_of(targets);
  }
  static ReadOptions options_for(const detail::PreparedCore& core, const Consistency& consistency) {
    ReadOptions options = core.setup.options;
    options.consistency = consistency;
    options.cached = options.cached && core.enabled.load(std::memory_order_relaxed);
    return options;
  }
  // `use(source, request)` for what a miss asks for.
  template <class Use, class... Args>
  static auto with_request(const detail::PreparedCore& core, detail::Way way, const CallKey& call,
                           Use use, const Args&... args) {
    const auto& state = static_cast<const State&>(core);
    const ReadOptions options = options_for(core, way.consistency);
    const detail::CallParameters<Args...> values(args...);
    const auto from_parameters = [&](std::vector<Target>& targets) {
      add_targets(state, targets, args...);
    };
    detail::QueryRequest<T, Mapper, decltype(from_parameters)> request(
        call, options, way.route, values.views(), state.mapper, from_parameters);
    request.keyed_targets = kConstantTags;
    return use(way.route.source(state.setup.sql), request);
  }
  // What a miss does: out of the way of hits.
  template <class... Args>
  [[gnu::noinline]] static ReadResult load(const detail::PreparedCore& core, detail::Way way,
                                           detail::Purpose purpose, const CallKey& call,
                                           const Args&... args) {
    const auto run = [purpose](Source& source, ReadRequest& request) -> ReadResult {
      switch (purpose) {
        case detail::Purpose::read:
          return blocking_read(source, request);
        case detail::Purpose::refresh:
          refresh_later(source, request);
          break;
        case detail::Purpose::audit:
          audit_later(source, request);
          break;
        case detail::Purpose::prefetch:
          detail::prefetch(source, request);
          break;
      }
      return {};
    };
    return with_request(core, way, call, run, args...);
  }
  // A miss that somebody else runs.
  template <class... Args>
  [[gnu::noinline]] static std::unique_ptr<ReadRequest> detach(const detail::PreparedCore& core,
                                                               detail::Way way, const CallKey& call,
                                                               const Args&... args) {
    const auto copy = [&](Source& /*source*/, const ReadRequest& request) {
      return detail::detached(request, core.setup.sql);
    };
    return with_request(core, way, call, copy, args...);
  }
  // `use` gets what declares a call's targets, and what makes its request.
  template <class Keys, class Use>
  static void with_each(Use use) {
    detail::with_types_of<std::ranges::range_value_t<const Keys>>([&]<class... Args>() {
      static_assert((HasParameterTraits<Args> && ...));
      use(declared_by<Args...>(), &detach<Args...>);
    });
  }
  // What `look` asks for the targets by.
  template <class... Args>
  [[nodiscard]] static constexpr auto declared_by() {
    if constexpr (kConstantTags)
      return nullptr;
    else
      return &declared<Args...>;
  }

  template <class... Args>
  [[nodiscard]] Handle read_at(const Consistency& consistency, const Args&... args) const {
    return detail::serve_at<Handle>(*state_, consistency, declared_by<Args...>(), &load<Args...>,
                                    args...);
  }
  template <class... Args>
  [[nodiscard]] Handle read_in(ReadTransaction& transaction, const Args&... args) const {
    return detail::serve_in<Handle>(*state_, transaction, declared_by<Args...>(), &load<Args...>,
                                    args...);
  }
  template <class... Args>
  [[nodiscard]] detail::BegunRead<Handle> begin_at(const Consistency& consistency,
                                                   const Args&... args) const {
    return detail::begin_by<Handle>(*state_, {state_->setup.route, consistency},
                                    declared_by<Args...>(), &load<Args...>, &detach<Args...>,
                                    args...);
  }

  // The targets that the callables make from one key of several.
  template <class Key, class... Rest>
  struct TargetsOfKey {
    void operator()(std::vector<Target>& targets) const {
      std::apply([&](const Rest&... args) { add_targets(*state, targets, *key, args...); }, rest);
    }
    const State* state;
    const Key* key;
    std::tuple<const Rest&...> rest;
  };
  // What misses do that come together.
  template <class Key, class... Rest>
  [[gnu::noinline]] static std::vector<ReadResult> load_many(
      const detail::PreparedCore& core, detail::Way way,
      const std::deque<detail::MissedKey<Key>>& missed, const Rest&... rest) {
    const auto& state = static_cast<const State&>(core);
    const ReadOptions options = options_for(core, way.consistency);
    using Targets = TargetsOfKey<Key, Rest...>;
    detail::MissedReads<T, Mapper, Targets, Key, Rest...> reads(way.route, options, state.mapper);
    for (const detail::MissedKey<Key>& one : missed)
      reads.add(*core.prefix, one, Targets{&state, one.key, std::tuple<const Rest&...>(rest...)},
                kConstantTags, rest...);
    return blocking_read_many(way.route.source(state.setup.sql), reads.requests());
  }
  template <class Key, class... Rest>
  static std::vector<Handle> fetch_each(const detail::PreparedCore& core, detail::Way way,
                                        bool looks, std::span<const Key> keys,
                                        const Rest&... rest) {
    return detail::fetch_each<Handle>(
        core, way, looks,
        detail::ManyBy{declared_by<Key, Rest...>(), &load<Key, Rest...>, &load_many<Key, Rest...>},
        keys, rest...);
  }
  template <class Keys, class... Rest>
  [[nodiscard]] std::vector<Handle> many_by(detail::Way way, bool looks, const Keys& keys,
                                            const Rest&... rest) const {
    using Key = std::ranges::range_value_t<const Keys>;
    return fetch_each<Key, Rest...>(*state_, way, looks, detail::side_by_side(keys), rest...);
  }
  template <class Keys, class... Rest>
  [[nodiscard]] detail::BegunRead<std::vector<Handle>> begin_many_by(detail::Way way, bool looks,
                                                                     const Keys& keys,
                                                                     const Rest&... rest) const {
    using Key = std::ranges::range_value_t<const Keys>;
    const auto all = detail::side_by_side(keys);
    return detail::begin_each<Handle>(*state_, way, looks, declared_by<Key, Rest...>(),
                                      &load<Key, Rest...>, &detach<Key, Rest...>,
                                      std::span<const Key>(all), rest...);
  }
  [[nodiscard]] const detail::PreparedCore& core() const noexcept { return *state_; }

  std::shared_ptr<State> state_;
};

}  // namespace querymark

#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "querymark/read/prepared.hpp"

// For users.

namespace querymark {

/// A prepared query under a type that can be named, for members of classes: `T` is what a row is
/// (ResultSet for rows as they are), `Args` are the parameters.
///
///     qm::PreparedQuery<Product, std::int64_t> by_id_;
///     ...
///     by_id_ = db.prepare<Product>("select ... where id = ?").tag(product_of);
///
/// A hit costs what it costs a Prepared; what makes tags and objects is asked on a miss only. A
/// handle like Prepared. One that was made without a query throws ConfigError when called.
template <class T, class... Args>
class PreparedQuery : public detail::OneRow<PreparedQuery<T, Args...>, T> {
 public:
  using Handle = detail::HandleOf<T>;

  PreparedQuery() = default;
  template <class Mapper, class... Taggers>
  PreparedQuery(const Prepared<T, Mapper, Taggers...>& query)  // is one, under a shorter name
      : core_(query.state_),
        load_(&Prepared<T, Mapper, Taggers...>::template load<Args...>),
        detach_(&Prepared<T, Mapper, Taggers...>::template detach<Args...>),
        declared_(Prepared<T, Mapper, Taggers...>::template declared_by<Args...>()) {
    using From = Prepared<T, Mapper, Taggers...>;
    if constexpr (detail::kByOrdinal<Mapper> && sizeof...(Args) > 0)
      many_ = &From::template fetch_each<Args...>;
  }

  /// The rows, from the cache or the database. Blocks on a miss. Throws Error.
  [[nodiscard]] Handle operator()(const Args&... args) const {
    return detail::serve<Handle>(required(), declared_, load_, args...);
  }
  /// See Prepared.
  template <std::ranges::forward_range Keys, std::invocable<std::size_t, Handle> Take>
    requires detail::KeysOf<std::ranges::range_value_t<const Keys>, Args...>
  void many(const Keys& keys, Take&& take) const {
    detail::serve_many<Handle>(required(), declared_, load_, keys, take);
  }
  /// See Prepared. Throws ConfigError for a query that was not made by `prepare_many`.
  template <detail::KeyRange Keys, class... Rest>
    requires(sizeof...(Rest) + 1 == sizeof...(Args))
  [[nodiscard]] std::vector<Handle> fetch_many(const Keys& keys, const Rest&... rest) const {
    return many_by(detail::usual_way(required()), true, keys, rest...);
  }
  /// See Prepared.
  void prefetch(const Args&... args) const { detail::prefetch_one(required(), load_, args...); }
  template <std::ranges::forward_range Keys>
    requires detail::KeysOf<std::ranges::range_value_t<const Keys>, Args...>
  void prefetch_each(const Keys& keys) const {
    detail::prefetch_each(required(), declared_, detach_, keys);
  }
  template <std::ranges::forward_range Keys>
    requires detail::KeysOf<std::ranges::range_value_t<const Keys>, Args...>
  WarmUp warm_up(const Keys& keys, const WarmUpOptions& options = {}) const {
    return detail::warm_up(required(), options, declared_, detach_, keys);
  }
  /// See Prepared.
  [[nodiscard]] InTransaction<PreparedQuery, T> in(ReadTransaction& transaction) const {
    return {*this, transaction};
  }
  /// See Prepared.
  template <class... ArgsAndToken>
  auto async(ArgsAndToken&&... args_and_token) const {
    return detail::AsyncCalls<Handle>::call(*this, std::forward<ArgsAndToken>(args_and_token)...);
  }
  template <detail::KeyRange Keys, class... RestAndToken>
  auto async_fetch_many(const Keys& keys, RestAndToken&&... rest_and_token) const {
    return detail::AsyncCalls<std::vector<Handle>>::call_many(
        *this, keys, std::forward<RestAndToken>(rest_and_token)...);
  }
  [[nodiscard]] detail::BegunRead<Handle> begin_read(const Args&... args) const {
    return begin_at(detail::usual_way(required()).consistency, args...);
  }
  template <detail::KeyRange Keys, class... Rest>
  [[nodiscard]] detail::BegunRead<std::vector<Handle>> begin_many(const Keys& keys,
                                                                  const Rest&... rest) const {
    return begin_many_by(detail::usual_way(required()), true, keys, rest...);
  }
  [[nodiscard]] Target key(const Args&... args) const {
    return detail::key_of_call(required(), args...);
  }
  [[nodiscard]] Reading<PreparedQuery, T> reading(Consistency consistency) const {
    return {*this, std::move(consistency)};
  }
  [[nodiscard]] Reading<PreparedQuery, T> at_least(Receipt receipt) const {
    return reading(Consistency::at_least(std::move(receipt)));
  }
  [[nodiscard]] Reading<PreparedQuery, T> strong() const { return reading(Consistency::strong()); }

 private:
  template <class, class>
  friend class Reading;
  template <class, class>
  friend class InTransaction;
  [[nodiscard]] Handle read_at(const Consistency& consistency, const Args&... args) const {
    return detail::serve_at<Handle>(required(), consistency, declared_, load_, args...);
  }
  [[nodiscard]] detail::BegunRead<Handle> begin_at(const Consistency& consistency,
                                                   const Args&... args) const {
    const detail::PreparedCore& core = required();
    return detail::begin_by<Handle>(core, {core.setup.route, consistency}, declared_, load_,
                                    detach_, args...);
  }
  [[nodiscard]] Handle read_in(ReadTransaction& transaction, const Args&... args) const {
    return detail::serve_in<Handle>(required(), transaction, declared_, load_, args...);
  }
  template <class Keys, class... Rest>
  [[nodiscard]] std::vector<Handle> many_by(detail::Way way, bool looks, const Keys& keys,
                                            const Rest&... rest) const {
    const detail::PreparedCore& core = required_many();  // before many_ is looked at
    return many_(core, way, looks, detail::side_by_side(keys), rest...);
  }
  template <class Keys, class... Rest>
  [[nodiscard]] detail::BegunRead<std::vector<Handle>> begin_many_by(detail::Way way, bool looks,
                                                                     const Keys& keys,
                                                                     const Rest&... rest) const {
    using Key = std::tuple_element_t<0, std::tuple<Args...>>;
    const detail::PreparedCore& core = required_many();
    const auto begin = [&](std::span<const Key> all) {
      return detail::ManyCall<Handle, Args...>::begin(core, way, looks, declared_, load_, detach_,
                                                      all, rest...);
    };
    if constexpr (std::same_as<std::ranges::range_value_t<const Keys>, Key>)
      return begin(detail::side_by_side(keys));
    else  // texts, of which copies were kept
      return begin(std::vector<Key>(keys.begin(), keys.end()));
  }
  [[nodiscard]] const detail::PreparedCore& required_many() const {
    const detail::PreparedCore& core = required();
    if (many_ == nullptr)
      throw ConfigError("fetch_many() is for queries that prepare_many() has made, not for: " +
                        core.setup.sql);
    return core;
  }
  [[nodiscard]] const detail::PreparedCore& core() const { return required(); }
  [[nodiscard]] const detail::PreparedCore& required() const {
    if (!core_) [[unlikely]]
      throw ConfigError("this PreparedQuery was never given a prepared query");
    return *core_;
  }

  std::shared_ptr<const detail::PreparedCore> core_;
  ReadResult (*load_)(const detail::PreparedCore&, detail::Way, detail::Purpose, const CallKey&,
                      const Args&...) = nullptr;
  std::unique_ptr<ReadRequest> (*detach_)(const detail::PreparedCore&, detail::Way, const CallKey&,
                                          const Args&...) = nullptr;
  std::vector<TargetId> (*declared_)(const detail::PreparedCore&, const Args&...) = nullptr;
  typename detail::ManyCall<Handle, Args...>::Pointer many_ = nullptr;
};

}  // namespace querymark

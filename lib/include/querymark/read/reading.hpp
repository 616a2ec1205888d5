#pragma once  // For users: what `reading()` of a prepared query returns.

#include <utility>
#include <vector>

#include "querymark/key/parameters.hpp"
#include "querymark/read/begun_read.hpp"
#include "querymark/read/consistency.hpp"
#include "querymark/read/one_row.hpp"

namespace querymark {

/// A prepared query whose reads are as fresh as a Consistency asks: called, and fetched from, like
/// the query itself. Cheap to make for one call. Thread-safe.
template <class Query, class T>
class Reading : public detail::OneRow<Reading<Query, T>, T> {
 public:
  using Handle = typename Query::Handle;

  Reading(Query query, Consistency consistency)
      : query_(std::move(query)), consistency_(std::move(consistency)) {}

  /// The rows, from the cache or the database. Blocks for a look at the log, and on a miss. Throws
  /// Error; ConfigError for a receipt of another namespace.
  template <HasParameterTraits... Args>
  [[nodiscard]] Handle operator()(const Args&... args) const {
    return query_.read_at(consistency_, args...);
  }
  /// See Prepared.
  template <class Keys, HasParameterTraits... Rest>
  [[nodiscard]] std::vector<Handle> fetch_many(const Keys& keys, const Rest&... rest) const {
    return query_.many_by({query_.core().setup.route, consistency_}, consistency_.is_eventual(),
                          keys, rest...);
  }
  /// See Prepared.
  template <class... ArgsAndToken>
  auto async(ArgsAndToken&&... args_and_token) const {
    return detail::AsyncCalls<Handle>::call(*this, std::forward<ArgsAndToken>(args_and_token)...);
  }
  template <class Keys, class... RestAndToken>
  auto async_fetch_many(const Keys& keys, RestAndToken&&... rest_and_token) const {
    return detail::AsyncCalls<std::vector<Handle>>::call_many(
        *this, keys, std::forward<RestAndToken>(rest_and_token)...);
  }
  template <class Keys, HasParameterTraits... Rest>
  [[nodiscard]] detail::BegunRead<std::vector<Handle>> begin_many(const Keys& keys,
                                                                  const Rest&... rest) const {
    return query_.begin_many_by({query_.core().setup.route, consistency_},
                                consistency_.is_eventual(), keys, rest...);
  }
  template <HasParameterTraits... Args>
  [[nodiscard]] detail::BegunRead<Handle> begin_read(const Args&... args) const {
    return query_.begin_at(consistency_, args...);
  }

 private:
  Query query_;
  Consistency consistency_;
};

}  // namespace querymark

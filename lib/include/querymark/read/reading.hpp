#pragma once  // For users: what `reading()` of a prepared query returns.

#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "querymark/key/parameters.hpp"
#include "querymark/read/begun_read.hpp"
#include "querymark/read/consistency.hpp"
#include "querymark/result/mapping.hpp"
#include "querymark/result/result_set.hpp"

namespace querymark {

/// A prepared query whose reads are as fresh as a Consistency asks: called, and fetched from, like
/// the query itself. Cheap to make for one call. Thread-safe.
template <class Query, class T>
class Reading {
 public:
  using Handle = typename Query::Handle;

  Reading(Query query, Consistency consistency)
      : query_(std::move(query)), consistency_(std::move(consistency)) {}

  /// The rows, from the cache or the database. Blocks for a look at the log, and on a miss. Throws
  /// Error; ConfigError for a receipt of another namespace.
  template <HasParameterTraits... Args>
  [[nodiscard]] Handle operator()(const Args&... args) const {
    return consistency_.is_eventual() ? query_(args...) : query_.read_at(consistency_, args...);
  }
  /// See Prepared.
  template <HasParameterTraits... Args>
    requires(!std::is_same_v<T, ResultSet>)
  [[nodiscard]] T fetch_one(const Args&... args) const {
    return (*this)(args...).one();
  }
  template <HasParameterTraits... Args>
    requires(!std::is_same_v<T, ResultSet>)
  [[nodiscard]] std::optional<T> fetch_optional(const Args&... args) const {
    return (*this)(args...).optional();
  }
  template <class Keys, HasParameterTraits... Rest>
  [[nodiscard]] std::vector<Handle> fetch_many(const Keys& keys, const Rest&... rest) const {
    return consistency_.is_eventual() ? query_.fetch_many(keys, rest...)
                                      : query_.many_at(consistency_, keys, rest...);
  }
  template <HasParameterTraits... Args>
    requires(detail::kIsCell<T>)
  [[nodiscard]] T fetch_value(const Args&... args) const {
    return (*this)(args...).one();
  }
  /// See Prepared.
  template <class... ArgsAndToken>
  auto async(ArgsAndToken&&... args_and_token) const {
    return detail::AsyncCalls<Handle>::call(*this, std::forward<ArgsAndToken>(args_and_token)...);
  }
  template <HasParameterTraits... Args>
  [[nodiscard]] detail::BegunRead<Handle> begin_read(const Args&... args) const {
    return consistency_.is_eventual() ? query_.begin_read(args...)
                                      : query_.begin_at(consistency_, args...);
  }

 private:
  Query query_;
  Consistency consistency_;
};

}  // namespace querymark

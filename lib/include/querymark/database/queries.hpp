#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "querymark/read/get_or_load.hpp"
#include "querymark/read/prepared.hpp"
#include "querymark/read/query.hpp"

namespace querymark {

/// Cached queries over a source and a loader: the reading half of every database. Its functions are
/// thread-safe; queries and prepared queries must not outlive the database.
class Queries {
 public:
  Queries(const Queries&) = delete;
  Queries& operator=(const Queries&) = delete;

  /// A query with its parameters: `.tag(...)`, `.ttl(...)`, then `.fetch()` or `.fetch_as<T>()`.
  /// The SQL goes to the database verbatim, parameters are bound in order. It must be one statement
  /// that reads; what tells of the server or the schema (EXPLAIN, SHOW, a PRAGMA that reads) is
  /// answered and not kept.
  template <BindableParameter... Args>
  [[nodiscard]] Query query(std::string sql, const Args&... args) {
    return {source_, loader_, std::move(sql), detail::ParameterList(args...)};
  }
  /// A query to be called many times, with rows as a `Result`.
  [[nodiscard]] Prepared<ResultSet, detail::NoMapper> prepare(std::string sql) {
    return {source_, loader_, std::move(sql), {}};
  }
  /// A query to be called many times, with rows as objects.
  template <class T>
  [[nodiscard]] Prepared<T, detail::AutoMapper<T>> prepare(std::string sql) {
    return {source_, loader_, std::move(sql), {}};
  }
  /// The same with a mapper of your own: a class without state, called with a Row.
  template <class T, class Mapper>
  [[nodiscard]] Prepared<T, Mapper> prepare(std::string sql, Mapper mapper) {
    static_assert(std::is_empty_v<Mapper>, "a mapper with state could map one key in two ways");
    return {source_, loader_, std::move(sql), mapper};
  }
  /// A value by the caller's own key name, made stale by this database's log. See `get_or_load`.
  template <class T, class Load>
  [[nodiscard]] Cached<T> get_or_load(std::string_view name, const ReadOptions& options,
                                      Load&& load) {
    return querymark::get_or_load<T>(source_, name, options, std::forward<Load>(load));
  }

  [[nodiscard]] Source& source() noexcept { return source_; }

 protected:
  /// Both must outlive it.
  Queries(Source& source, Loader& loader) noexcept : source_(source), loader_(loader) {}
  ~Queries() = default;

 private:
  Source& source_;
  Loader& loader_;
};

}  // namespace querymark

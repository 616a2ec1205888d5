#pragma once  // For users.

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "querymark/read/get_or_load.hpp"
#include "querymark/read/prepared.hpp"
#include "querymark/read/prepared_query.hpp"
#include "querymark/read/query.hpp"

namespace querymark {

/// Cached queries over a source and a loader: the reading half of every database. Its functions are
/// thread-safe. A query that is used after its database is no more ends the process with a message.
class Queries {
 public:
  /// A query with its parameters: `.tag(...)`, `.ttl(...)`, then `.fetch()` or `.fetch_as<T>()`.
  /// The SQL goes to the database verbatim, parameters are bound in order. It must be one statement
  /// that reads; what tells of the server or the schema (EXPLAIN, SHOW, a PRAGMA that reads) is
  /// answered and not kept.
  template <HasParameterTraits... Args>
  [[nodiscard]] Query query(std::string sql, const Args&... args) {
    return {route_, std::move(sql), Parameters(args...)};
  }
  /// A query to be called many times, with rows as a `Result`.
  [[nodiscard]] Prepared<ResultSet, detail::NoMapper> prepare(std::string sql) {
    return {route_, std::move(sql), {}};
  }
  /// A query to be called many times, with rows as objects.
  template <class T>
  [[nodiscard]] Prepared<T, detail::AutoMapper<T>> prepare(std::string sql) {
    return {route_, std::move(sql), {}};
  }
  /// The same with a mapper of your own: a class without state, called with a Row.
  template <class T, class Mapper>
  [[nodiscard]] Prepared<T, Mapper> prepare(std::string sql, Mapper mapper) {
    return {route_, std::move(sql), mapper};
  }
  /// A query to be called for one key or, with `fetch_many`, for many at once. The SQL takes the list of
  /// keys as its first parameter, and its first column says to which of them a row belongs: `ordinality`
  /// (from 1) or `key` (from 0); objects are made of the columns behind it:
  ///
  ///     select k.ordinality, p.id, p.name from unnest($1::bigint[]) with ordinality as k(id)
  ///       join product p on p.id = k.id                                            -- PostgreSQL
  ///     select k.key, p.id, p.name from json_each(?) as k
  ///       join product p on p.id = k.value                                         -- SQLite
  ///
  /// A key of which no row comes has an empty result. A call for one key has the statement load a list of
  /// one, so both share their entries; with queries of any other SQL they share none, since nothing
  /// proves that those give the same.
  [[nodiscard]] Prepared<ResultSet, detail::ByOrdinal<detail::NoMapper>> prepare_many(
      std::string sql) {
    return {route_, std::move(sql), {}};
  }
  template <class T>
  [[nodiscard]] Prepared<T, detail::ByOrdinal<detail::AutoMapper<T>>> prepare_many(
      std::string sql) {
    return {route_, std::move(sql), {}};
  }
  template <class T, class Mapper>
  [[nodiscard]] Prepared<T, detail::ByOrdinal<Mapper>> prepare_many(std::string sql,
                                                                    Mapper mapper) {
    return {route_, std::move(sql), {mapper}};
  }
  /// A value by the caller's own key name, made stale by this database's log, and under session
  /// settings kept apart from the values of others. See `get_or_load`.
  template <class T, class Load>
  [[nodiscard]] Cached<T> get_or_load(std::string_view name, const ReadOptions& options,
                                      Load&& load) {
    return under_session(name, options, [&](Source& source, const ReadOptions& apart) {
      return querymark::get_or_load<T>(source, name, apart, std::forward<Load>(load));
    });
  }
  /// For drivers: what memory has, or else the read that is yet to be run. Does not block.
  template <class T, class Load>
  [[nodiscard]] detail::BegunRead<Cached<T>> begin_get_or_load(std::string_view name,
                                                               const ReadOptions& options,
                                                               Load load) {
    return under_session(name, options, [&](Source& source, const ReadOptions& apart) {
      return detail::begin_get_or_load<T>(source, name, apart, std::move(load));
    });
  }
  /// Why such a value is served or not, asked with the same options; see `Explanation`.
  template <class T>
  [[nodiscard]] Explanation explain(std::string_view name, const ReadOptions& options) {
    return under_session(name, options, [&](Source& source, const ReadOptions& apart) {
      return querymark::explain<T>(source, name, apart);
    });
  }

  [[nodiscard]] Source& source() noexcept { return route_.source("source()"); }

 private:
  template <class Ask>
  auto under_session(std::string_view name, const ReadOptions& options, Ask&& ask) {
    Source& source = route_.source(name);
    const std::string* const session = route_.loader().session();
    if (session == nullptr) return ask(source, options);
    ReadOptions apart = options;
    apart.scope = *session + ':' + options.scope;
    return ask(source, apart);
  }

 protected:
  explicit Queries(Route route) noexcept : route_(std::move(route)) {}
  Queries(const Queries&) = default;
  Queries& operator=(const Queries&) = default;
  ~Queries() = default;
  /// Ends the process with a message, about `what` was used, when the database is no more.
  void require_alive(std::string_view what) const noexcept {
    static_cast<void>(route_.source(what));
  }

 private:
  Route route_;
};

}  // namespace querymark

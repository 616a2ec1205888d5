#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "querymark/key/key_encoder.hpp"
#include "querymark/read/begun_read.hpp"
#include "querymark/read/blocking_driver.hpp"
#include "querymark/read/explanation.hpp"
#include "querymark/read/query_request.hpp"
#include "querymark/read/read_options.hpp"
#include "querymark/read/refresh.hpp"
#include "querymark/read/route.hpp"
#include "querymark/read/transaction_loader.hpp"
#include "querymark/support/lifetime.hpp"

namespace querymark {

/// An ad-hoc query: SQL and parameters, copied, with what the cache must know about it. Building it
/// costs allocations and an intern; for hot paths prepare the query.
///
/// Not thread-safe. Used after the database it came from is no more, it ends the process with a
/// message. One that was moved from has no text: to fetch it throws.
class Query {
 public:
  Query(Route route, std::string sql, Parameters parameters)
      : route_(std::move(route)), sql_(std::move(sql)), parameters_(std::move(parameters)) {}

  Query(Source& source, Loader& loader, std::string sql, Parameters parameters)
      : Query(Route(source, loader), std::move(sql), std::move(parameters)) {}

  Query(const Query&) = default;
  Query(Query&&) = default;
  ~Query() = default;
  Query& operator=(const Query&) = default;
  /// Also from itself, as in `query = std::move(query).ttl(1min)`, which is how one that has a name is
  /// built step by step.
  Query& operator=(Query&& other) noexcept {
    if (this == &other) return *this;
    route_ = std::move(other.route_);
    sql_ = std::move(other.sql_);
    parameters_ = std::move(other.parameters_);
    options_ = std::move(other.options_);
    return *this;
  }

  // See ReadOptions.

  Query&& tag(Target target) && QUERYMARK_LIFETIME_BOUND {
    return std::move(tag(std::move(target)));
  }
  /// For a query that has a name: tags that are found one by one.
  Query& tag(Target target) & QUERYMARK_LIFETIME_BOUND {
    options_.tags.push_back(std::move(target));
    return *this;
  }
  /// `tagger` makes a target, or a range of them, from each row: see RowTagger.
  template <class Tagger>
  Query&& tag_rows(Tagger tagger) && QUERYMARK_LIFETIME_BOUND {
    options_.row_tags.emplace_back(tagger);
    return std::move(*this);
  }
  /// Throws ConfigError when negative.
  Query&& ttl(TimeSpan ttl) && QUERYMARK_LIFETIME_BOUND {
    options_.ttl = detail::not_negative(ttl, "a ttl");
    return std::move(*this);
  }
  /// Who says what makes it stale: see ReadOptions.
  Query&& tagging(Tags tags) && QUERYMARK_LIFETIME_BOUND {
    options_.tagging = tags;
    return std::move(*this);
  }
  /// See ReadOptions. Throws ConfigError when negative.
  Query&& untracked_ok(TimeSpan ttl) && QUERYMARK_LIFETIME_BOUND {
    options_.untracked_ok = detail::not_negative(ttl, "untracked_ok");
    return std::move(*this);
  }
  /// With automatic tags: functions in it that the database does not show read this table, whichever rows, and no
  /// others but those that are named likewise. Who promises too little is served stale results.
  Query&& reads(std::string table) && QUERYMARK_LIFETIME_BOUND {
    options_.promises.reads.push_back(std::move(table));
    return std::move(*this);
  }
  /// With automatic tags: this function, `name` or `schema.name`, depends on its arguments alone. Who promises that
  /// of one that does not is served stale results.
  Query&& pure(std::string function) && QUERYMARK_LIFETIME_BOUND {
    options_.promises.pure.push_back(std::move(function));
    return std::move(*this);
  }
  /// What it is counted under: see ReadOptions.
  Query&& name(std::string name) && QUERYMARK_LIFETIME_BOUND {
    options_.name = std::move(name);
    return std::move(*this);
  }
  Query&& scope(std::string scope) && QUERYMARK_LIFETIME_BOUND {
    options_.scope = std::move(scope);
    return std::move(*this);
  }
  /// Throws ConfigError when negative.
  Query&& timeout(TimeSpan timeout) && QUERYMARK_LIFETIME_BOUND {
    options_.timeout = detail::not_negative(timeout, "a timeout");
    return std::move(*this);
  }
  /// Who loads, among processes: see ReadOptions. Throws ConfigError when negative.
  Query&& lease(TimeSpan longest) && QUERYMARK_LIFETIME_BOUND {
    options_.lease = detail::not_negative(longest, "a lease");
    return std::move(*this);
  }
  /// What it does beyond the ordinary. Throws ConfigError for what makes no sense.
  Query&& policy(ReadPolicy policy) && QUERYMARK_LIFETIME_BOUND {
    detail::require_sensible(policy);
    detail::require_executor(policy, route_.source(sql_).cache().options().offload.get());
    options_.policy = std::move(policy);
    return std::move(*this);
  }
  Query&& uncached(bool off = true) && QUERYMARK_LIFETIME_BOUND {
    options_.cached = !off;
    return std::move(*this);
  }

  /// How fresh the rows must be: a Consistency, or a user's session.
  Query&& reading(Consistency consistency) && QUERYMARK_LIFETIME_BOUND {
    options_.consistency = std::move(consistency);
    return std::move(*this);
  }
  /// No older than the write behind the receipt. See Consistency.
  Query&& at_least(Receipt receipt) && QUERYMARK_LIFETIME_BOUND {
    return std::move(*this).reading(Consistency::at_least(std::move(receipt)));
  }
  /// No older than the call. See Consistency.
  Query&& strong() && QUERYMARK_LIFETIME_BOUND {
    return std::move(*this).reading(Consistency::strong());
  }

  /// Reads inside this transaction, which must outlive the query: see Database::write and
  /// read_transaction for what memory may answer there. Throws ConfigError for a transaction of another
  /// database, or under other settings.
  Query&& in(ReadTransaction& transaction) && QUERYMARK_LIFETIME_BOUND {
    route_ = detail::TransactionLoader::into(transaction, route_, sql_);
    return std::move(*this);
  }

  /// The rows, from the cache or the database. Blocks. Throws Error.
  [[nodiscard]] Result fetch() const { return run<ResultSet>(detail::NoMapper{}); }
  /// The rows as objects: `T` is a cell type (`std::int64_t`, `std::string`, ...) or an aggregate
  /// whose fields take the columns in order. Throws TypeError when they don't fit.
  template <class T>
  [[nodiscard]] Rows<T> fetch_as() const {
    detail::require_row_type<T>();
    return run<T>(detail::AutoMapper<T>{});
  }
  /// The rows as what `mapper(row)` returns. The mapper's type is part of the key: it must be a
  /// class without state, such as a captureless lambda.
  template <class T, class Mapper>
  [[nodiscard]] Rows<T> fetch_as(Mapper mapper) const {
    detail::require_mapper<T, Mapper>();
    return run<T>(mapper);
  }
  /// The one row, as a copy of its object. Throws TypeError, which says how many came, when it is
  /// not one.
  template <class T>
  [[nodiscard]] T fetch_one() const {
    return fetch_as<T>().one();
  }
  /// The one row, or nothing when none came. Throws TypeError when more than one did.
  template <class T>
  [[nodiscard]] std::optional<T> fetch_optional() const {
    return fetch_as<T>().optional();
  }
  /// The one cell of the one row: a number, a text, anything that a cell can be read as.
  template <class T>
  [[nodiscard]] T fetch_value() const {
    static_assert(detail::kIsCell<T>,
                  "a cell can't be read as this type: specialise querymark::FieldTraits for it");
    return fetch_as<T>().one();
  }
  /// The same three on an event loop: `co_await db.query(…).async_as<Product>(use_awaitable)`. The last
  /// argument is a completion token; the query is copied. Include `querymark/asio/asio.hpp`, which says
  /// more.
  template <class Token>
  auto async(Token&& token) const {
    return start<ResultSet>(detail::NoMapper{}, std::forward<Token>(token));
  }
  template <class T, class Token>
  auto async_as(Token&& token) const {
    detail::require_row_type<T>();
    return start<T>(detail::AutoMapper<T>{}, std::forward<Token>(token));
  }
  template <class T, class Mapper, class Token>
  auto async_as(Mapper mapper, Token&& token) const {
    detail::require_mapper<T, Mapper>();
    return start<T>(mapper, std::forward<Token>(token));
  }
  /// For drivers: what memory has, or else the read that is yet to be run. Does not block. Throws
  /// ConfigError for a query on a caller's own connection.
  template <class T, class Mapper>
  [[nodiscard]] detail::BegunRead<typename detail::StoredAs<T, Mapper>::Handle> begin_read(
      const Mapper& mapper) const;

  /// The target that a key intent for this query hits.
  [[nodiscard]] Target key() const;
  /// How it is keyed, scoped, tagged and cached, and what memory has of its rows as a `Result`. Asks no
  /// database and no tier, and counts nothing. Throws what the policy's rules throw.
  [[nodiscard]] Explanation explain() const;

 private:
  template <class T, class Mapper>
  typename detail::StoredAs<T, Mapper>::Handle run(const Mapper& mapper) const;
  template <class T, class Mapper, class Token>
  auto start(const Mapper& mapper, Token&& token) const;
  // From memory, or what `miss(source, request)` returns.
  template <class T, class Mapper, class Miss>
  [[nodiscard]] ReadResult serve(const Mapper& mapper, Miss&& miss) const;
  // What memory knows its rows by, made into T.
  template <class T, class Mapper>
  [[nodiscard]] KeyPrefixRef prefix_as(const Source& source) const {
    std::string type = detail::stored_type_name<T, Mapper>() + detail::names_of(options_.row_tags);
    if (source.automatic(options_)) type.append(detail::automatic_type(options_));
    return source.prefix(type, KeyPrefix::Form::sql, sql_, options_.scope,
                         route_.loader().session(), options_.name);
  }

  Route route_;
  std::string sql_;
  Parameters parameters_;
  ReadOptions options_;
};

template <class T, class Mapper, class Miss>
ReadResult Query::serve(const Mapper& mapper, Miss&& miss) const {
  detail::require_text(sql_);
  Source& source = route_.source(sql_);
  Loader& loader = route_.loader();
  const KeyPrefixRef prefix = prefix_as<T, Mapper>(source);
  KeyEncoder encoder(*prefix);
  encoder.add_argument(parameters_);
  const CallKey call = encoder.call();
  ReadResult found;
  if (options_.cached && options_.consistency.is_eventual() && source.admits(options_) &&
      options_.policy.cache_if.empty() && loader.may_hit(sql_)) {
    const std::vector<TargetId> required = ids_of(options_.tags);
    static_cast<void>(
        source.find({.call = call, .options = options_, .required = required}, found));
  }
  const bool hit = static_cast<bool>(found.entry);
  const bool refresh =
      hit && found.outcome.age >= options_.policy.refreshed_from(source.max_age(options_));
  const std::uint32_t one_of = detail::audited_one_of(source.options().audit);
  const bool audit = hit && !refresh && one_of != 0 && detail::is_sampled(one_of);
  if (hit && !refresh && !audit) return found;
  const detail::NoTargets no_more;
  const std::vector<ParameterView> values = parameters_.views();
  detail::QueryRequest<T, Mapper, detail::NoTargets> request(call, options_, route_, values, mapper,
                                                             no_more);
  request.refused = found.outcome.refused;
  if (!hit) return miss(source, request);
  if (refresh)
    refresh_later(source, request);
  else
    audit_later(source, request);
  return found;
}

template <class T, class Mapper>
typename detail::StoredAs<T, Mapper>::Handle Query::run(const Mapper& mapper) const {
  using Handle = typename detail::StoredAs<T, Mapper>::Handle;
  return Handle(serve<T>(mapper, blocking_read));
}

template <class T, class Mapper>
detail::BegunRead<typename detail::StoredAs<T, Mapper>::Handle> Query::begin_read(
    const Mapper& mapper) const {
  using Handle = typename detail::StoredAs<T, Mapper>::Handle;
  detail::BegunRead<Handle> begun{.source = &route_.source(sql_)};
  if (route_.loader().borrowed()) detail::fail_on_loop(sql_);  // to ask it may block
  begun.handle =
      Handle(serve<T>(mapper, [&](Source& source, const ReadRequest& request) -> ReadResult {
        begun.running =
            detail::run_own<Handle>(source, detail::detached(request, sql_), request.refused);
        return {};
      }));
  return begun;
}

namespace detail {

/// An ad-hoc query and what its rows become, as calls on an event loop know a query.
template <class T, class Mapper>
struct QueryAs {
  [[nodiscard]] auto begin_read() const { return query.template begin_read<T>(mapper); }

  Query query;
  Mapper mapper;
};

}  // namespace detail

template <class T, class Mapper, class Token>
auto Query::start(const Mapper& mapper, Token&& token) const {
  using Handle = typename detail::StoredAs<T, Mapper>::Handle;
  return detail::AsyncCalls<Handle>::call(detail::QueryAs<T, Mapper>{*this, mapper},
                                          std::forward<Token>(token));
}

inline Explanation Query::explain() const {
  Source& source = route_.source(sql_);
  const KeyPrefixRef prefix = prefix_as<ResultSet, detail::NoMapper>(source);
  KeyEncoder encoder(*prefix);
  encoder.add_argument(parameters_);
  const std::vector<ParameterView> values = parameters_.views();
  const detail::ExplainedText text{detail::session_of(route_.loader()), values};
  return detail::explain(source, encoder.call(), options_, options_.tags,
                         options_.policy.cache_if(sql_, values), &text);
}

inline Target Query::key() const {
  const KeyPrefixRef prefix = route_.source(sql_).prefix({}, KeyPrefix::Form::sql, sql_,
                                                         options_.scope, route_.loader().session());
  KeyEncoder encoder(*prefix);
  encoder.add_argument(parameters_);
  return key_target(encoder.key());
}

}  // namespace querymark

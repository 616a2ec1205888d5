#pragma once

#include <string>
#include <utility>
#include <vector>

#include "querymark/key/key_encoder.hpp"
#include "querymark/read/query_request.hpp"
#include "querymark/read/source.hpp"
#include "querymark/support/time_span.hpp"

namespace querymark {

/// An ad-hoc query: SQL and parameters, copied, with what the cache must know about it. Building it
/// costs allocations and an intern; for hot paths prepare the query.
///
/// Not thread-safe. Must not outlive the database it came from.
class Query {
 public:
  Query(Source& source, Loader& loader, std::string sql, detail::ParameterList parameters)
      : source_(source),
        loader_(loader),
        sql_(std::move(sql)),
        parameters_(std::move(parameters)),
        ttl_(source.options().default_ttl) {}

  /// Declares a target whose invalidation must reach this result.
  Query&& tag(Target target) && {
    targets_.push_back(std::move(target));
    return std::move(*this);
  }
  /// How long the result may be served without an invalidation; zero: never, and nothing is kept.
  /// It makes no sense to raise it above the log's retention. Throws ConfigError when negative.
  Query&& ttl(TimeSpan ttl) && {
    ttl_ = detail::not_negative(ttl, "a ttl");
    return std::move(*this);
  }
  /// The caller's own part of the key, such as a tenant.
  Query&& scope(std::string scope) && {
    scope_ = std::move(scope);
    return std::move(*this);
  }
  /// Longest wait for another caller's load of the same query; then Timeout is thrown. Zero: no
  /// limit. Throws ConfigError when negative.
  Query&& timeout(TimeSpan timeout) && {
    timeout_ = detail::not_negative(timeout, "a timeout");
    return std::move(*this);
  }
  /// Reads the database and keeps nothing, if `off`.
  Query&& uncached(bool off = true) && {
    enabled_ = !off;
    return std::move(*this);
  }

  /// The rows, from the cache or the database. Blocks. Throws Error.
  [[nodiscard]] Result fetch() const { return run<ResultSet>(detail::NoMapper{}); }
  /// The rows as objects: `T` is a cell type (`std::int64_t`, `std::string`, ...) or an aggregate
  /// whose fields take the columns in order. Throws TypeError when they don't fit.
  template <class T>
  [[nodiscard]] Rows<T> fetch_as() const {
    return run<T>(detail::AutoMapper<T>{});
  }
  /// The rows as what `mapper(row)` returns. The mapper's type is part of the key: it must be a
  /// class without state, such as a captureless lambda.
  template <class T, class Mapper>
  [[nodiscard]] Rows<T> fetch_as(Mapper mapper) const {
    static_assert(std::is_empty_v<Mapper>, "a mapper with state could map one key in two ways");
    return run<T>(mapper);
  }
  /// The target that a key intent for this query hits.
  [[nodiscard]] Target key() const;

 private:
  template <class T, class Mapper>
  typename detail::StoredAs<T, Mapper>::Handle run(const Mapper& mapper) const;

  Source& source_;
  Loader& loader_;
  std::string sql_;
  detail::ParameterList parameters_;
  std::vector<Target> targets_;
  TimeSpan ttl_;
  TimeSpan timeout_;
  std::string scope_;
  bool enabled_ = true;
};

template <class T, class Mapper>
typename detail::StoredAs<T, Mapper>::Handle Query::run(const Mapper& mapper) const {
  using Handle = typename detail::StoredAs<T, Mapper>::Handle;
  const KeyPrefixRef prefix = source_.prefix(detail::stored_type_name<T, Mapper>(),
                                             KeyPrefix::Form::sql, sql_, scope_, loader_.session());
  KeyEncoder encoder(*prefix);
  for (const ParameterView parameter : parameters_.views()) encoder.add(parameter);
  if (enabled_ && !loader_.isolated()) {
    std::vector<TargetId> required;
    required.reserve(targets_.size());
    for (const Target& target : targets_) required.push_back(target.id());
    ReadResult found;
    const Lookup lookup{
        .key = encoder.key(), .hash = encoder.hash(), .max_age = ttl_, .required = required};
    if (source_.find(lookup, found)) return Handle(std::move(found));
  }
  const auto targets = [this](std::vector<Target>& out) { out = targets_; };
  detail::QueryRequest<T, Mapper, decltype(targets)> request(loader_, parameters_.views(), mapper,
                                                             targets);
  request.prefix = prefix;
  request.parameters = encoder.key().parameters;
  request.hash = encoder.hash();
  request.ttl = ttl_;
  request.enabled = enabled_;
  request.deadline = detail::deadline_of(timeout_);
  return Handle(source_.read(request));
}

inline Target Query::key() const {
  const KeyPrefixRef prefix =
      source_.prefix({}, KeyPrefix::Form::sql, sql_, scope_, loader_.session());
  KeyEncoder encoder(*prefix);
  for (const ParameterView parameter : parameters_.views()) encoder.add(parameter);
  return key_target(encoder.key());
}

}  // namespace querymark

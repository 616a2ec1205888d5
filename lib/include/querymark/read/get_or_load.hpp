#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "querymark/key/key_encoder.hpp"
#include "querymark/read/cache.hpp"
#include "querymark/read/result.hpp"
#include "querymark/read/source.hpp"
#include "querymark/result/mapping.hpp"
#include "querymark/support/time_span.hpp"

namespace querymark {

struct GetOrLoadOptions {
  std::vector<Target> tags;
  std::optional<TimeSpan> ttl;  ///< Zero: never served again. Nothing: the source's default.
  TimeSpan timeout;             ///< Longest wait for another caller's load; zero: no limit.
  std::string scope;            ///< The caller's own part of the key, such as a tenant.
};

namespace detail {

template <class T, class Load>
class ValueRequest final : public ReadRequest {
 public:
  ValueRequest(const GetOrLoadOptions& options, Load& load) : options_(options), load_(load) {
    shareable = false;  // only this process knows what a T is
  }
  void targets(std::vector<Target>& out) const override { out = options_.tags; }
  Loaded load(const EntryInit& init) override {
    T value = load_();
    const std::size_t heap = heap_bytes_of(value);
    return {make_entry(init, std::move(value), heap), std::nullopt, std::nullopt, Stored::yes};
  }
  [[nodiscard]] EntryRef materialize(const ResultSet& /*rows*/,
                                     const EntryInit& /*init*/) const override {
    throw TypeError("a value of get_or_load is never in a shared tier");
  }

 private:
  const GetOrLoadOptions& options_;
  Load& load_;
};

}  // namespace detail

/// The cached value under the caller's own key name, or what `load()` returns, by any database
/// client or none. The same promises as for a query: single flight, and a load that an invalidation
/// of its tags or of `key_named(name)` overtakes is not kept. `load` runs without any lock held and
/// may call the cache again. Blocks; throws what `load` throws, Timeout, and ConfigError for a
/// negative ttl or timeout.
template <class T, class Load>
[[nodiscard]] Cached<T> get_or_load(Source& source, std::string_view name,
                                    const GetOrLoadOptions& options, Load&& load) {
  const KeyPrefixRef prefix =
      source.prefix(detail::type_tag<T>(), KeyPrefix::Form::named, name, options.scope);
  const KeyEncoder encoder(*prefix);  // a name has no parameters
  const TimeSpan ttl =
      detail::not_negative(options.ttl.value_or(source.options().default_ttl), "a ttl");
  const auto timeout = detail::not_negative(options.timeout, "a timeout");
  std::vector<TargetId> required;
  required.reserve(options.tags.size());
  for (const Target& target : options.tags) required.push_back(target.id());
  ReadResult found;
  const Lookup lookup{
      .key = encoder.key(), .hash = encoder.hash(), .max_age = ttl, .required = required};
  if (source.find(lookup, found)) return Cached<T>(std::move(found));
  detail::ValueRequest<T, Load> request(options, load);
  request.prefix = prefix;
  request.hash = encoder.hash();
  request.ttl = ttl;
  request.deadline = detail::deadline_of(timeout);
  return Cached<T>(source.read(request));
}

template <class T, class Load>
Cached<T> Cache::get_or_load(std::string_view name, const GetOrLoadOptions& options, Load&& load) {
  return querymark::get_or_load<T>(local(), name, options, std::forward<Load>(load));
}

}  // namespace querymark

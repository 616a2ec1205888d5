#pragma once  // For writers of ports.

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "querymark/read/by_ordinal.hpp"
#include "querymark/read/loader.hpp"
#include "querymark/read/read_request.hpp"
#include "querymark/read/result.hpp"
#include "querymark/read/route.hpp"
#include "querymark/result/mapping.hpp"
#include "querymark/result/same_value.hpp"
#include "querymark/support/sql_text.hpp"

namespace querymark::detail {

/// Part of what a value with automatic tags is stored as: what was tagged otherwise is none of them.
inline constexpr std::string_view kAutomaticType = "/automatic";
/// Likewise, what can't be proved: it is for those alone who take it for as long, or vouch for the same.
[[nodiscard]] inline std::string automatic_type(const ReadOptions& options) {
  std::string type(kAutomaticType);
  if (options.untracked_ok.count() > 0)
    type.append("/untracked:").append(std::to_string(options.untracked_ok.count()));
  if (!options.promises.none()) type.append("/promised:").append(key_of(options.promises));
  return type;
}

/// What texts are analysed under, of what a loader loads.
[[nodiscard]] inline std::string_view session_of(const Loader& loader) {
  const std::string* const own = loader.session();
  return own == nullptr ? std::string_view() : std::string_view(*own);
}

/// Mapper of untyped results: the result set itself.
struct NoMapper {};

/// What an entry holds for a query mapped by `Mapper` to `T`, and what the caller gets.
template <class T, class Mapper>
struct StoredAs {
  using Handle = Rows<T>;
  static EntryRef make(const ResultSet& rows, const Mapper& mapper, const EntryInit& init) {
    std::vector<T> mapped = map_rows<T>(rows, mapper);
    std::size_t heap = 0;
    for (const T& object : mapped) heap += heap_bytes_of(object);
    return make_array_entry(init, std::move(mapped), heap);
  }
  static std::optional<bool> same(const Entry& a, const Entry& b) {
    if (a.count() != b.count()) return false;
    bool known = true;
    for (std::size_t i = 0; i < a.count(); ++i) {
      const auto alike = same_value(a.value_as<T>()[i], b.value_as<T>()[i]);
      if (alike == false) return false;
      known = known && alike.has_value();
    }
    return known ? std::optional(true) : std::nullopt;
  }
};
template <>
struct StoredAs<ResultSet, NoMapper> {
  using Handle = Result;
  static EntryRef make(const ResultSet& rows, const NoMapper& /*mapper*/, const EntryInit& init) {
    constexpr std::size_t kControlBlock = 32;  // of the shared buffer
    return make_entry(init, rows, rows.heap_bytes() + kControlBlock);
  }
  static std::optional<bool> same(const Entry& a, const Entry& b) {
    return *a.value_as<ResultSet>() == *b.value_as<ResultSet>();
  }
};

template <class T, class Mapper>
struct StoredAs<T, ByOrdinal<Mapper>> : StoredAs<T, Mapper> {};

template <class T>
using HandleOf = std::conditional_t<std::is_same_v<T, ResultSet>, Result, Rows<T>>;

/// Throws ConfigError for the text of a query that has none.
void require_text(std::string_view sql);

/// `declared` and the ids of `implied`, each once.
[[nodiscard]] std::vector<TargetId> with_ids_of(std::span<const Target> implied,
                                                std::span<const TargetId> declared);

/// Whether the policy keeps these rows; shortens the life of their entry as it says.
[[nodiscard]] Stored by_policy(const ReadPolicy& policy, const ResultSet& rows, EntryInit& entry);

/// A read of SQL rows; `Targets` is a callable that appends the targets that the options do not
/// name.
template <class T, class Mapper, class Targets>
class QueryRequest : public ReadRequest {
 public:
  QueryRequest(const CallKey& call_key, const ReadOptions& read_options, const Route& route,
               std::span<const ParameterView> values, const Mapper& mapper, const Targets& targets)
      : ReadRequest(call_key, read_options),
        route_(route),
        loader_(route.loader()),
        values_(values),
        mapper_(mapper),
        targets_(targets) {
    alone = loader_.isolated();
    Source& source = route_.source(call.view.prefix->text());
    automatic_ = source.automatic(options) && options.cached;
    if (automatic_)
      analysed_ = source.analyses().find(session(), call.view.prefix->text(), options.promises);
    keep_local(analysed_.get());
  }

  void add_targets(std::vector<Target>& targets) const override {
    targets_(targets);
    if (!analysed_) return;
    const Analysis& analysis = analysed_->analysis;
    for (Target& target : kByOrdinal<Mapper> ? targets_of_one_key(analysis, values_)
                                             : querymark::targets_of(analysis, values_))
      targets.push_back(std::move(target));
  }
  [[nodiscard]] std::optional<Stored> standing() const override {
    if (!automatic_) return Stored::yes;
    if (!analysed_)
      return loader_.analyser() == nullptr ? std::optional(Stored::unproven) : std::nullopt;
    return may_keep(analysed_->analysis, values_, options.untracked_ok) ? Stored::yes
                                                                        : Stored::unproven;
  }
  void analyse() override {
    const std::string_view sql = call.view.prefix->text();
    Source& source = route_.source(sql);
    Subscriber* const follow = loader_.has_replica() ? source.subscriber() : nullptr;
    if (Analyser* const analyser = loader_.analyser())
      analysed_ = source.analyses().ask(session(), sql, options.promises, *analyser, follow);
    keep_local(analysed_.get());
  }
  [[nodiscard]] std::optional<std::chrono::nanoseconds> unverified_for() const override {
    const Analysed* const analysed = known();
    if (analysed == nullptr || analysed->analysis.verdict != Verdict::ttl_only) return std::nullopt;
    return options.untracked_ok;
  }
  [[nodiscard]] std::string_view why() const override {
    if (const Analysed* const analysed = known()) return lasting_why(analysed->analysis, values_);
    return automatic_ ? "nobody here can be asked what it depends on" : std::string_view();
  }
  [[nodiscard]] bool wanted() const override {
    return options.policy.cache_if(call.view.prefix->text(), values_);
  }
  [[nodiscard]] std::unique_ptr<ReadRequest> detached(std::vector<Target> targets) const override;
  Loaded load(const EntryInit& init) override { return made_of(ask(), init); }
  [[nodiscard]] std::vector<LoadAnswer> load_together(
      std::span<const LoadTogether> wanted) override {
    if constexpr (!kByOrdinal<Mapper>) {
      return ReadRequest::load_together(wanted);
    } else {
      const auto of = [](const LoadTogether& one) -> QueryRequest& {  // they are all of one kind
        return static_cast<QueryRequest&>(*one.request);
      };
      std::vector<ParameterView> keys;
      keys.reserve(wanted.size());
      for (const LoadTogether& one : wanted) keys.push_back(of(one).values_[0]);
      std::vector<LoadedRows> loaded = ask(keys);
      std::vector<LoadAnswer> answers;
      answers.reserve(wanted.size());
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        try {  // what can't be mapped concerns its own key alone
          answers.emplace_back(of(wanted[i]).made_of(std::move(loaded[i]), *wanted[i].init));
        } catch (...) {  // the caller's code may throw anything
          answers.emplace_back(std::current_exception());
        }
      }
      return answers;
    }
  }
  /// What `load` makes of what the loader brings.
  [[nodiscard]] Loaded made_of(LoadedRows loaded, const EntryInit& init) const {
    std::vector<Target> implied = targets_of(options.row_tags, loaded.rows);
    EntryInit with = init;
    const std::vector<TargetId> all = with_ids_of(implied, init.targets);
    if (all.size() <= kMaxTargets)
      with.targets = all;
    else if (loaded.keep == Stored::yes)
      loaded.keep = Stored::too_many_targets;
    if (loaded.keep == Stored::yes) loaded.keep = by_analysis(with);
    if (loaded.keep == Stored::yes) loaded.keep = by_policy(options.policy, loaded.rows, with);
    EntryRef entry = StoredAs<T, Mapper>::make(loaded.rows, mapper_, with);
    return {.entry = std::move(entry),
            .rows = std::move(loaded.rows),
            .snapshot = loaded.snapshot,
            .keep = loaded.keep,
            .implied = std::move(implied),
            .replica = loaded.replica};
  }
  [[nodiscard]] bool loads_together() const noexcept override { return kByOrdinal<Mapper>; }
  [[nodiscard]] EntryRef materialize(const ResultSet& rows, const EntryInit& init) const override {
    return StoredAs<T, Mapper>::make(rows, mapper_, init);
  }
  [[nodiscard]] std::optional<Analysis> reads() const override {
    Analyser* const analyser = loader_.analyser();
    if (analyser == nullptr) return std::nullopt;
    return analyser->analyse(call.view.prefix->text(), options.promises);
  }
  [[nodiscard]] std::optional<bool> same(const Entry& a, const Entry& b) const override {
    return StoredAs<T, Mapper>::same(a, b);
  }

 protected:
  /// What was found out for the request that this one is a copy of, whose targets it has.
  void take_analysis(std::shared_ptr<const Analysed> analysed) {
    copied_ = std::move(analysed);
    keep_local(copied_.get());
  }

 private:
  void keep_local(const Analysed* analysed) {
    if (analysed != nullptr && analysed->analysis.local) shareable = false;
  }
  [[nodiscard]] std::string_view session() const { return session_of(loader_); }
  [[nodiscard]] const Analysed* known() const {
    return analysed_ ? analysed_.get() : copied_.get();
  }
  // A load that a change of definitions overtakes may have other targets than it was given; of what depends on
  // more than triggers report the entry's life is bounded.
  [[nodiscard]] Stored by_analysis(EntryInit& entry) const {
    const Analysed* const analysed = known();
    if (analysed == nullptr) return Stored::yes;
    if (!analysed->holds(route_.source(call.view.prefix->text()).marks()))
      return Stored::invalidated;
    if (analysed->analysis.verdict == Verdict::ttl_only)
      entry.expires = std::min(entry.expires, after(entry.loaded, options.untracked_ok));
    return Stored::yes;
  }
  [[nodiscard]] LoadedRows ask() {
    const std::string_view sql = call.view.prefix->text();
    if constexpr (kByOrdinal<Mapper>) {
      return std::move(ask(values_.first(1))[0]);
    } else {
      require_no_nul(sql);
      return replica_serves ? loader_.load_from_replica(sql, values_) : loader_.load(sql, values_);
    }
  }

  // The rows of each of these keys.
  [[nodiscard]] std::vector<LoadedRows> ask(std::span<const ParameterView> keys) {
    return load_by_ordinal(loader_, call.view.prefix->text(), keys, values_.subspan(1),
                           replica_serves);
  }

  const Route& route_;
  Loader& loader_;
  std::span<const ParameterView> values_;
  const Mapper& mapper_;
  const Targets& targets_;
  bool automatic_ = false;
  std::shared_ptr<const Analysed> analysed_;  // what its targets are made from
  std::shared_ptr<const Analysed> copied_;    // what they were made from
};

/// Appends no targets.
struct NoTargets {
  void operator()(std::vector<Target>& /*targets*/) const {}
};

/// What a request refers to, copied.
template <class Mapper>
struct RequestCopy {
  RequestCopy(const CallKey& call, ReadOptions options, Route route,
              std::span<const ParameterView> given, const Mapper& mapper)
      : prefix(call.view.prefix),
        parameters(call.view.parameters),
        key{.view = {prefix.get(), parameters}, .hash = call.hash},
        said(std::move(options)),
        way(std::move(route)),
        maps(mapper) {
    owned.reserve(given.size());
    for (const ParameterView value : given) owned.push_back(OwnedParameter::copy_of(value));
    values.assign(owned.begin(), owned.end());
  }
  RequestCopy(const RequestCopy&) = delete;
  RequestCopy& operator=(const RequestCopy&) = delete;

  KeyPrefixRef prefix;
  std::string parameters;
  CallKey key;
  ReadOptions said;
  Route way;
  Mapper maps;
  std::vector<OwnedParameter> owned;
  std::vector<ParameterView> values;
  NoTargets none;
};

/// A read of SQL rows that outlives the call which has asked for it.
template <class T, class Mapper>
class DetachedQuery final : private RequestCopy<Mapper>, public QueryRequest<T, Mapper, NoTargets> {
  using Copy = RequestCopy<Mapper>;

 public:
  DetachedQuery(const CallKey& call_key, const ReadOptions& read_options, const Route& route,
                std::span<const ParameterView> given, const Mapper& mapper,
                std::shared_ptr<const Analysed> analysed)
      : Copy(call_key, read_options, route, given, mapper),
        QueryRequest<T, Mapper, NoTargets>(Copy::key, Copy::said, Copy::way, Copy::values,
                                           Copy::maps, Copy::none) {
    this->take_analysis(std::move(analysed));
  }
};

template <class T, class Mapper, class Targets>
std::unique_ptr<ReadRequest> QueryRequest<T, Mapper, Targets>::detached(
    std::vector<Target> targets) const {
  if (alone || loader_.borrowed()) return nullptr;
  ReadOptions said = options;
  said.tags = std::move(targets);
  if (analysed_) said.tagging = Tags::declared;  // they are among the targets
  return std::make_unique<DetachedQuery<T, Mapper>>(call, said, route_, values_, mapper_,
                                                    analysed_);
}

}  // namespace querymark::detail

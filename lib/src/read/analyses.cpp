#include "querymark/read/analyses.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "querymark/follow/subscriber.hpp"
#include "querymark/key/tracked.hpp"
#include "querymark/support/excerpt.hpp"

// A text is analysed by everybody who misses it at once: that happens once for each text and each change of
// definitions, and nobody has to wait for somebody else's failing connection.

namespace querymark {
namespace {

std::string name_before_sql(std::string_view session, const Promises& promises) {
  std::string name;
  const std::string promised = key_of(promises);
  for (const std::string_view part : {session, std::string_view(promised)})
    name.append(std::to_string(part.size())).append(":").append(part);
  return name;
}

std::string name_of(std::string_view session, std::string_view sql, const Promises& promises) {
  return name_before_sql(session, promises).append(sql);
}

}  // namespace

bool Analysed::holds(const Marks& marks) const noexcept {
  static const TargetId kDefinitions = schema_of_all().id();
  return told && marks.unchanged_since(generation, {&kDefinitions, 1});
}

bool may_keep(const Analysis& analysis, std::span<const ParameterView> parameters,
              std::chrono::nanoseconds untracked_ok) {
  const bool kept = analysis.verdict == Verdict::cache ||
                    (analysis.verdict == Verdict::ttl_only && untracked_ok.count() > 0);
  return kept && mean_the_same(analysis, parameters);
}

std::string why_not_kept(const Analysis& analysis, std::span<const ParameterView> parameters,
                         std::chrono::nanoseconds untracked_ok) {
  if (may_keep(analysis, parameters, untracked_ok)) return {};
  if (analysis.verdict != Verdict::cache && !analysis.why.empty()) return analysis.why;
  if (analysis.verdict != Verdict::cache) return std::string(to_string(analysis.verdict));
  return "a parameter is a date or a time in words, which may be another one tomorrow ('today')";
}

std::string_view lasting_why(const Analysis& analysis, std::span<const ParameterView> parameters) {
  constexpr std::size_t kMostTexts = 10'000;
  constexpr std::size_t kMostOfText = 300;
  static Mutex mutex;
  static auto& texts = *new std::unordered_set<std::string>;  // what is handed out is never freed
  const std::string why = excerpt(why_not_kept(analysis, parameters, {}), kMostOfText);
  if (why.empty()) return {};
  const MutexLock lock(mutex);
  if (texts.size() < kMostTexts) return *texts.insert(why).first;
  const auto known = texts.find(why);
  return known != texts.end() ? std::string_view(*known) : "db.analyse(sql) says why";
}

std::shared_ptr<const Analysed> Analyses::find(std::string_view session, std::string_view sql,
                                               const Promises& promises) const {
  auto found = last(session, sql, promises);
  if (found && !found->holds(marks_)) found.reset();
  return found;
}

std::shared_ptr<const Analysed> Analyses::last(std::string_view session, std::string_view sql,
                                               const Promises& promises) const {
  const std::string name = name_of(session, sql, promises);
  const MutexLock lock(mutex_);
  const auto found = known_.find(name);
  return found == known_.end() ? nullptr : found->second;
}

std::shared_ptr<const Analysed> Analyses::ask(std::string_view session, std::string_view sql,
                                              const Promises& promises, Analyser& analyser,
                                              Subscriber* follow) {
  // Before the question: a change that is applied meanwhile may not be in the answer.
  const std::uint64_t generation = marks_.begin_load().generation;
  Analysed answer{analyser.analyse(sql, promises), generation, promises};
  if (follow != nullptr) answer.told = follow->try_catch_up();
  auto analysed = std::make_shared<const Analysed>(std::move(answer));
  if (analysed->analysis.passing || !analysed->told) return analysed;
  std::string name = name_of(session, sql, promises);
  const MutexLock lock(mutex_);
  if (known_.size() >= kMost) known_.clear();
  known_.insert_or_assign(std::move(name), analysed);
  return analysed;
}

std::vector<SeenQuery> Analyses::seen(std::string_view session) const {
  std::vector<SeenQuery> queries;
  const MutexLock lock(mutex_);
  for (const auto& [name, analysed] : known_) {
    const std::string before = name_before_sql(session, analysed->promises);
    if (name.starts_with(before))
      queries.push_back({.sql = name.substr(before.size()), .promises = analysed->promises});
  }
  std::ranges::sort(queries, {}, &SeenQuery::sql);
  return queries;
}

}  // namespace querymark

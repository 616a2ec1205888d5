#include "querymark/read/analyses.hpp"

#include <utility>

#include "querymark/key/tracked.hpp"

// A text is analysed by everybody who misses it at once: that happens once for each text and each change of
// definitions, and nobody has to wait for somebody else's failing connection.

namespace querymark {
namespace {

std::string name_of(std::string_view session, std::string_view sql) {
  std::string name = std::to_string(session.size());
  return name.append(":").append(session).append(sql);
}

}  // namespace

bool Analysed::holds(const Marks& marks) const noexcept {
  static const TargetId kDefinitions = schema_of_all().id();
  return marks.unchanged_since(generation, {&kDefinitions, 1});
}

std::shared_ptr<const Analysed> Analyses::find(std::string_view session,
                                               std::string_view sql) const {
  const std::string name = name_of(session, sql);
  const MutexLock lock(mutex_);
  const auto found = known_.find(name);
  if (found == known_.end() || !found->second->holds(marks_)) return nullptr;
  return found->second;
}

std::shared_ptr<const Analysed> Analyses::ask(std::string_view session, std::string_view sql,
                                              std::span<const ParameterView> parameters,
                                              Analyser& analyser) {
  // Before the question: a change that is applied meanwhile may not be in the answer.
  const std::uint64_t generation = marks_.begin_load().generation;
  auto analysed =
      std::make_shared<const Analysed>(Analysed{analyser.analyse(sql, parameters), generation});
  std::string name = name_of(session, sql);
  const MutexLock lock(mutex_);
  if (known_.size() >= kMost) known_.clear();
  known_.insert_or_assign(std::move(name), analysed);
  return analysed;
}

}  // namespace querymark

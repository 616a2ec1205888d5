#include "coalesce.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace querymark {

std::vector<SharedInvalidation> coalesce(const std::vector<LogRow>& rows) {
  std::map<std::pair<bool, std::string>, SharedInvalidation> latest;
  std::optional<SharedInvalidation> flush;
  const auto extend = [](SharedInvalidation& known, Position position) {
    known.first_position = std::min(known.first_position, position);
    known.position = std::max(known.position, position);
  };
  for (const LogRow& row : rows) {
    if (!row.target || row.target->is_flush()) {
      if (!flush) flush = {flush_all(), row.position, row.position};
      extend(*flush, row.position);
      continue;
    }
    const std::pair identity(row.target->kind() == TargetKind::key, row.target->text());
    const auto [at, fresh] =
        latest.try_emplace(identity, SharedInvalidation{*row.target, row.position, row.position});
    if (!fresh) extend(at->second, row.position);
  }
  std::vector<SharedInvalidation> result;
  for (auto& [identity, invalidation] : latest) {
    if (flush && invalidation.position <= flush->position)
      flush->first_position = std::min(flush->first_position, invalidation.first_position);
    else
      result.push_back(std::move(invalidation));
  }
  if (flush) result.push_back(std::move(*flush));
  std::ranges::sort(result, {}, &SharedInvalidation::position);
  return result;
}

}  // namespace querymark

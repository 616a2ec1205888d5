#include "querymark/log/coverage_rows.hpp"

#include "querymark/log/fields.hpp"

namespace querymark {

std::vector<ConsumerCoverage> coverage_rows(
    const ResultSet& set, const std::function<Snapshot(const Field&)>& snapshot_of) {
  std::vector<ConsumerCoverage> consumers;
  for (const Row row : set) {
    const Field name = row["name"];
    if (name.is_null()) break;
    if (consumers.empty() || consumers.back().name != name.view()) {
      ConsumerCoverage& consumer = consumers.emplace_back();
      consumer.name = name.view();
      if (const Field epoch = row["consumer_epoch"]; !epoch.is_null())
        consumer.cursor = {epoch_of(epoch), snapshot_of(row["cursor"]), {}};
      if (const Field owed = row["flush_owed"]; !owed.is_null())
        consumer.flush_owed = position_of(owed);
    }
    const Field first = row["first_position"];
    if (first.is_null()) continue;
    consumers.back().gaps.push_back({.first = position_of(first),
                                     .last = position_of(row["position"]),
                                     .ended = row["ended"].as<bool>()});
  }
  for (ConsumerCoverage& consumer : consumers)
    consumer.more_gaps = consumer.gaps.size() >= Coverage::kMaxGaps;
  return consumers;
}

}  // namespace querymark

#include "querymark/observe/query_table.hpp"

#include <utility>

#include "querymark/support/ascii.hpp"
#include "querymark/support/digest.hpp"
#include "querymark/support/excerpt.hpp"
#include "querymark/support/sql_text.hpp"

namespace querymark {
namespace {

constexpr std::size_t kLongestName = 200;
constexpr std::size_t kLongestText = 120;

}  // namespace

std::string name_of_sql(std::string_view sql) {
  std::string name = one_line(sql, kLongestText, ascii::is_blank);
  if (name.size() <= kLongestText) return name;
  constexpr std::size_t kShown = kLongestText - 12;
  return excerpt(name, kShown)
      .append(" ")
      .append(sha256({"querymark query name", sql}).hex().substr(0, 8));
}

QueryRecord& QueryRecord::nobodys() {
  static auto* const record = new QueryRecord("");  // keys may outlive everything else
  return *record;
}

QueryStats QueryRecord::stats() const {
  QueryStats stats{.name = name,
                   .loads = loads.stats(),
                   .waits = waits.stats(),
                   .tier_reads = tier_reads.stats(),
                   .entries = entries.load(std::memory_order_relaxed),
                   .entry_bytes = entry_bytes.load(std::memory_order_relaxed)};
  counters.add_to(stats.reads);
  return stats;
}

QueryRecord& QueryTable::in(Records& records, std::size_t most, std::string name) {
  if (const auto known = records.find(name); known != records.end()) return *known->second;
  if (records.size() >= most) return other_;
  auto record = std::make_unique<QueryRecord>(name);
  return *records.emplace(std::move(name), std::move(record)).first->second;
}

QueryRecord& QueryTable::named(std::string_view name) {
  std::string shown = excerpt(name, kLongestName);
  const MutexLock lock(mutex_);
  return in(named_, kMostNamed, std::move(shown));
}

QueryRecord& QueryTable::of_sql(std::string_view sql) {
  std::string shown = name_of_sql(sql);
  const MutexLock lock(mutex_);
  return in(texts_, kMostTexts, std::move(shown));
}

template <class Each>
void QueryTable::each(Each&& visit) const {
  const MutexLock lock(mutex_);
  for (const Records* records : {&named_, &texts_})
    for (const auto& [name, record] : *records) visit(*record);
  visit(values_);
  visit(other_);
}

ReadStats QueryTable::totals() const {
  ReadStats sum;
  each([&](const QueryRecord& record) { record.counters.add_to(sum); });
  return sum;
}

std::vector<QueryStats> QueryTable::stats() const {
  std::vector<QueryStats> all;
  each([&](const QueryRecord& record) {
    QueryStats stats = record.stats();
    const bool used = stats.reads.reads() > 0 || stats.reads.load_failures > 0 || stats.entries > 0;
    if (used) all.push_back(std::move(stats));
  });
  return all;
}

}  // namespace querymark

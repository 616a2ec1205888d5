#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "querymark/key/list.hpp"
#include "querymark/key/target.hpp"
#include "querymark/read/loader.hpp"
#include "querymark/read/result.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark::test {

using Ids = std::vector<std::int64_t>;

struct Product {
  std::int64_t id;
  std::string name;
};

inline constexpr const char* kByIds =
    "select k.key, p.id, p.name from json_each(?) as k join product p on p.id = k.value";

// A table of products, which answers statements for many keys and writes down which.
class Shelf final : public Loader {
 public:
  [[nodiscard]] LoadedRows load(std::string_view /*sql*/,
                                std::span<const ParameterView> parameters) override {
    Ids ids;
    for (const ParameterView id : elements_of_list(parameters[0])) ids.push_back(id.as_int64());
    {
      const MutexLock lock(mutex_);
      asked_.push_back(ids);
    }
    if (before) before(ids);
    ResultSetBuilder builder;
    for (const char* column : {ordinal, "id", "name"}) builder.add_column(column);
    const std::int64_t first = std::string_view(ordinal) == "ordinality" ? 1 : 0;
    for (std::size_t at = ids.size(); at-- > 0;)  // in no order of the keys
      for (auto [found, end] = names.equal_range(ids[at]); found != end; ++found) {
        builder.add(ParameterView::int64(first + static_cast<std::int64_t>(at)));
        builder.add(ParameterView::int64(found->first));
        builder.add(ParameterView::text(found->second));
      }
    return {.rows = std::move(builder).build(), .snapshot = snapshot, .keep = keep};
  }
  [[nodiscard]] std::vector<Ids> asked() const {
    const MutexLock lock(mutex_);
    return asked_;
  }

  const char* ordinal = "key";
  Stored keep = Stored::yes;
  std::optional<SharedStamp> snapshot;
  std::multimap<std::int64_t, std::string> names{{1, "tea"}, {2, "cup"}, {3, "pot"}};
  std::function<void(const Ids&)> before;

 private:
  mutable Mutex mutex_;
  std::vector<Ids> asked_ QUERYMARK_GUARDED_BY(mutex_);
};

// What a call for many keys has answered, in short.
using All = std::vector<Rows<Product>>;
using Names = std::vector<std::string>;
using Statuses = std::vector<ReadStatus>;
inline constexpr ReadStatus kHit = ReadStatus::hit;
inline constexpr ReadStatus kMiss = ReadStatus::miss;

inline Names names_of(const All& all) {
  Names names;
  for (const Rows<Product>& rows : all) names.push_back(rows.empty() ? "-" : rows[0].name);
  return names;
}
inline Statuses statuses_of(const All& all) {
  Statuses statuses;
  for (const Rows<Product>& rows : all) statuses.push_back(rows.outcome().status);
  return statuses;
}

inline constexpr auto kProductOf = [](std::int64_t id) { return entity("product", id); };

}  // namespace querymark::test

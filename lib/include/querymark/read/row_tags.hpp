#pragma once

#include <concepts>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "querymark/key/target.hpp"
#include "querymark/result/mapping.hpp"
#include "querymark/result/result_set.hpp"

// For users, who write `.tag_rows(...)`.

namespace querymark {

namespace detail {

/// Appends what a callable has made: a target, or a range of them.
template <class Tagged>
void add_tagged(std::vector<Target>& targets, Tagged&& tagged) {
  if constexpr (std::same_as<std::remove_cvref_t<Tagged>, Target>) {
    targets.push_back(std::forward<Tagged>(tagged));
  } else {
    static_assert(std::ranges::input_range<Tagged>,
                  "what makes tags returns a querymark::Target, or a range of them");
    for (auto&& target : tagged) targets.push_back(target);
  }
}

}  // namespace detail

/// Makes tags from the rows that a query brings, which nobody knows before the load: one call for
/// each row, `[](const Row& row) { return entity("product", row["id"].as<std::int64_t>()); }`. Of a
/// type without state, which is part of the key: so what memory holds was tagged by it, and a hit
/// asks nothing. What another process has stored is tagged anew before it is judged.
///
/// The load's stamp is older than its rows, so a load that an invalidation of such a tag overtakes
/// is not kept, and not handed to who shares it. Rows that imply more tags than a value can carry
/// (kMaxTargets) are returned and not kept.
class RowTagger {
 public:
  template <class Function>
    requires(!std::same_as<Function, RowTagger>)
  RowTagger(Function /*function*/)  // it is what it calls
      : make_(&make<Function>), name_(detail::type_tag<Function>()) {
    static_assert(std::is_empty_v<Function> && std::is_default_constructible_v<Function>,
                  "what tags rows must have no state, such as a lambda without captures");
    static_assert(std::is_invocable_v<const Function&, const Row&>,
                  "what tags rows takes a querymark::Row");
  }

  void add_targets(const ResultSet& rows, std::vector<Target>& targets) const {
    make_(rows, targets);
  }
  /// Of its type, inside this process.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  template <class Function>
  static void make(const ResultSet& rows, std::vector<Target>& targets) {
    for (const Row row : rows) detail::add_tagged(targets, Function()(row));
  }

  void (*make_)(const ResultSet&, std::vector<Target>&);
  std::string name_;
};

namespace detail {

[[nodiscard]] inline std::string names_of(const std::vector<RowTagger>& taggers) {
  std::string names;
  for (const RowTagger& tagger : taggers) names.append("/rows:").append(tagger.name());
  return names;
}
/// What the taggers make from the rows, each target once.
[[nodiscard]] std::vector<Target> targets_of(const std::vector<RowTagger>& taggers,
                                             const ResultSet& rows);

}  // namespace detail
}  // namespace querymark

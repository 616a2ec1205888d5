#include "analysis/footprints.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "querymark/key/tracked.hpp"
#include "querymark/support/ascii.hpp"

namespace querymark::sqlite {
namespace {

// A column of an item: equal ones are the same object.
struct Node {
  std::size_t item = 0;
  const ColumnShape* column = nullptr;
  friend auto operator<=>(const Node&, const Node&) = default;
};

using KnownValues = std::map<Node, std::vector<RouteValue>>;

bool is_rowid_name(std::string_view name) {
  return ascii::equal(name, "rowid") || ascii::equal(name, "_rowid_") || ascii::equal(name, "oid");
}

class Footprints {
 public:
  Footprints(const SelectText& text, const FindTable& find, const TextRules& rules)
      : text_(text), rules_(rules) {
    for (const ItemText& item : text.items)
      tables_.push_back(item.table.empty() ? nullptr : find(item.table));
  }

  [[nodiscard]] std::vector<Footprint> all() const {
    std::vector<Footprint> footprints;
    for (std::size_t item = 0; item < tables_.size(); ++item) {
      if (tables_[item] == nullptr) continue;
      const KnownValues known = known_at(item);
      footprints.push_back({tables_[item], occurrence_of(item, known), tied_at(item, known)});
    }
    return footprints;
  }

 private:
  // By an alias, or bare where there is one item alone: of several the text does not tell whose it is.
  [[nodiscard]] std::optional<Node> node_of(const ColumnText& text) const {
    for (std::size_t item = 0; item < tables_.size(); ++item) {
      const bool meant = text.qualifier.empty()
                             ? tables_.size() == 1
                             : ascii::equal(text_.items[item].alias, text.qualifier);
      if (!meant) continue;
      const ColumnShape* column =
          tables_[item] != nullptr ? column_of(*tables_[item], text) : nullptr;
      // One without a type has values that are equal and differ.
      if (column == nullptr || !column->type) return std::nullopt;
      return Node{item, column};
    }
    return std::nullopt;
  }

  static const ColumnShape* column_of(const ReadTable& table, const ColumnText& text) {
    if (const ColumnShape* column = table.shape.find(text.column)) return column;
    if (text.qualifier.empty() || !is_rowid_name(text.column)) return nullptr;
    const auto rowid = std::ranges::find_if(table.shape.columns, &ColumnShape::is_rowid);
    return rowid != table.shape.columns.end() ? &*rowid : nullptr;
  }

  // What is true of each row of the item that can influence the result.
  [[nodiscard]] std::vector<const EqualityText*> equalities_at(std::size_t item) const {
    std::vector<const EqualityText*> equalities;
    const auto add = [&](const std::vector<EqualityText>& more) {
      for (const EqualityText& one : more) equalities.push_back(&one);
    };
    add(text_.where);
    for (std::size_t other = 0; other < text_.items.size(); ++other)
      if (other == item || !text_.items[other].left_joined || !rules_.left_joins)
        add(text_.items[other].on);
    return equalities;
  }

  [[nodiscard]] KnownValues known_at(std::size_t item) const {
    KnownValues known;
    const auto equalities = equalities_at(item);
    for (const EqualityText* one : equalities) add_values(*one, known);
    for (const EqualityText* one : equalities) add_elements(*one, known);
    for (bool more = true; more;) {
      more = false;
      for (const EqualityText* one : equalities) more = carry_over(*one, known) || more;
    }
    return known;
  }

  // The elements of the list of which a column is one: `k.value` of `json_each(?) as k`.
  [[nodiscard]] std::optional<RouteValue> element(const ColumnText& text) const {
    if (!ascii::equal(text.column, "value") || text.qualifier.empty()) return std::nullopt;
    for (const ItemText& item : text_.items)
      if (item.list && ascii::equal(item.alias, text.qualifier))
        return RouteValue{.parameter = item.list, .elements = true};
    return std::nullopt;
  }

  void add_elements(const EqualityText& equality, KnownValues& known) const {
    const auto* other = std::get_if<ColumnText>(&equality.other);
    if (other == nullptr) return;
    for (const auto& [column, list] :
         {std::pair(&equality.column, other), std::pair(other, &equality.column)}) {
      const auto node = node_of(*column);
      const auto value = node ? element(*list) : std::nullopt;
      if (value) known.try_emplace(*node, std::vector{*value});
    }
  }

  void add_values(const EqualityText& equality, KnownValues& known) const {
    const auto* values = std::get_if<std::vector<ValueText>>(&equality.other);
    const auto node = node_of(equality.column);
    if (values == nullptr || !node) return;
    std::vector<RouteValue> taken;
    for (const ValueText& value : *values) {
      if (value.type && value.type != node->column->type && rules_.types_alike) return;
      taken.push_back(value.value);
    }
    known.try_emplace(*node, std::move(taken));
  }

  // What is known of one column is true of an equal one, if equal values of both are written equally.
  bool carry_over(const EqualityText& equality, KnownValues& known) const {
    const auto* other = std::get_if<ColumnText>(&equality.other);
    if (other == nullptr) return false;
    const auto left = node_of(equality.column);
    const auto right = node_of(*other);
    if (!left || !right) return false;
    if (left->column->type != right->column->type && rules_.types_alike) return false;
    const auto at_left = known.find(*left);
    const auto at_right = known.find(*right);
    if ((at_left == known.end()) == (at_right == known.end())) return false;
    if (at_left == known.end())
      known.emplace(*left, at_right->second);
    else
      known.emplace(*right, at_left->second);
    return true;
  }

  static bool is_unique(const TableShape& shape, const RouteColumns& route) {
    return std::ranges::any_of(shape.keys, [&](const UniqueKey& key) {
      return std::ranges::all_of(key, [&](const KeyColumn& part) {
        return std::ranges::find(route, part.column) != route.end();
      });
    });
  }

  [[nodiscard]] static std::vector<const ColumnShape*> tied_at(std::size_t item,
                                                               const KnownValues& known) {
    std::vector<const ColumnShape*> tied;
    for (const auto& [node, values] : known)
      if (node.item == item) tied.push_back(node.column);
    return tied;
  }

  [[nodiscard]] std::optional<Occurrence> occurrence_of(std::size_t item,
                                                        const KnownValues& known) const {
    const ReadTable& table = *tables_[item];
    std::optional<Occurrence> best;
    std::pair<bool, std::size_t> best_rank{};
    for (const RouteColumns& route : table.routes) {
      Occurrence found{.relation = relation_of(table.shape), .route = route_name(route)};
      for (const std::string& name : route) {
        const ColumnShape* column = table.shape.find(name);
        const auto values = known.find({item, column});
        if (values == known.end()) break;
        found.columns.push_back({*column->type, values->second});
      }
      const std::pair rank{is_unique(table.shape, route), route.size()};
      if (found.columns.size() < route.size() || (best && rank <= best_rank)) continue;
      best = std::move(found);
      best_rank = rank;
    }
    return best;
  }

  const SelectText& text_;
  const TextRules& rules_;
  std::vector<const ReadTable*> tables_;
};

}  // namespace

std::vector<Footprint> footprints_of(const SelectText& text, const FindTable& find,
                                     const TextRules& rules) {
  return Footprints(text, find, rules).all();
}

}  // namespace querymark::sqlite

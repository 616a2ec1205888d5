#include "analysis/select_text.hpp"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <string_view>

#include "querymark/support/ascii.hpp"

namespace querymark::sqlite {
namespace {

using Tokens = std::span<const Token>;

bool is_one_of(const Token& token, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(words, [&](std::string_view word) { return token.is_word(word); });
}

bool ends_from(const Token& token) {
  return is_one_of(token, {"where", "group", "having", "order", "limit"});
}
bool ends_where(const Token& token) {
  return is_one_of(token, {"group", "having", "order", "limit", "window"});
}
bool joins(const Token& token) {
  return is_one_of(token, {"join", "left", "right", "full", "inner", "cross", "natural", "outer"});
}

// Where the first token of depth 0 that `is` stands; the end when there is none.
template <class Is>
std::size_t find_outside(Tokens tokens, std::size_t from, Is is) {
  for (std::size_t at = from; at < tokens.size(); ++at)
    if (tokens[at].depth == tokens.front().depth && is(tokens[at])) return at;
  return tokens.size();
}

bool is_comma(const Token& token) { return token.is_symbol(","); }

bool has_outside(Tokens tokens, std::initializer_list<std::string_view> words) {
  if (tokens.empty()) return false;
  return find_outside(tokens, 0, [&](const Token& token) { return is_one_of(token, words); }) <
         tokens.size();
}

// A name in an expression. Words that are values of their own are none.
bool names_column(const Token& token) {
  return (token.kind == Token::Kind::word || token.kind == Token::Kind::name) &&
         !is_one_of(token, {"null", "current_date", "current_time", "current_timestamp"});
}

std::optional<ColumnText> column_in(Tokens tokens) {
  if (tokens.size() == 1 && names_column(tokens[0])) return ColumnText{"", tokens[0].text};
  if (tokens.size() == 3 && names_column(tokens[0]) && tokens[1].is_symbol(".") &&
      names_column(tokens[2]))
    return ColumnText{tokens[0].text, tokens[2].text};
  return std::nullopt;
}

// As triggers write it: no plus, no zeros before it.
std::optional<ValueText> integer_in(std::string_view digits, bool negative) {
  std::int64_t number = 0;
  const auto end = digits.data() + digits.size();
  if (!std::ranges::all_of(digits, ascii::is_digit) ||
      std::from_chars(digits.data(), end, number).ec != std::errc())
    return std::nullopt;
  return ValueText{.value = {.constant = std::to_string(negative ? -number : number)},
                   .type = RouteType::integer};
}

std::optional<ValueText> value_in(Tokens tokens) {
  if (tokens.size() == 1) {
    const Token& token = tokens[0];
    if (token.kind == Token::Kind::parameter)
      return ValueText{.value = {.parameter = token.parameter}};
    if (token.kind == Token::Kind::string)
      return ValueText{.value = {.constant = token.text}, .type = RouteType::text};
    if (token.kind == Token::Kind::number) return integer_in(token.text, false);
  }
  if (tokens.size() == 2 && tokens[0].is_symbol("-") && tokens[1].kind == Token::Kind::number)
    return integer_in(tokens[1].text, true);
  return std::nullopt;
}

// `select value from json_each(?)`
std::optional<ValueText> list_in(Tokens tokens) {
  const bool fits = tokens.size() == 7 && tokens[0].is_word("select") &&
                    tokens[1].is_word("value") && tokens[2].is_word("from") &&
                    tokens[3].is_word("json_each") && tokens[4].is_symbol("(") &&
                    tokens[5].kind == Token::Kind::parameter && tokens[6].is_symbol(")");
  if (!fits) return std::nullopt;
  return ValueText{.value = {.parameter = tokens[5].parameter, .elements = true}};
}

// What stands between the parentheses of IN.
std::optional<std::vector<ValueText>> values_in(Tokens tokens) {
  if (const auto list = list_in(tokens)) return std::vector{*list};
  std::vector<ValueText> values;
  for (std::size_t begin = 0; begin <= tokens.size();) {
    const std::size_t end = find_outside(tokens, begin, is_comma);
    auto value = value_in(tokens.subspan(begin, end - begin));
    if (!value) return std::nullopt;
    values.push_back(std::move(*value));
    begin = end + 1;
  }
  return values;
}

std::optional<EqualityText> membership_in(Tokens tokens) {
  const std::size_t in =
      find_outside(tokens, 0, [](const Token& token) { return token.is_word("in"); });
  if (in + 3 > tokens.size() || !tokens[in + 1].is_symbol("(") || !tokens.back().is_symbol(")"))
    return std::nullopt;
  auto column = column_in(tokens.first(in));
  const Tokens inside = tokens.subspan(in + 2, tokens.size() - in - 3);
  // The last parenthesis is that of IN, and what is inside stands in no other one.
  if (!column || inside.empty() || std::ranges::any_of(inside, [&](const Token& token) {
        return token.depth <= tokens[in].depth;
      }))
    return std::nullopt;
  auto values = values_in(inside);
  if (!values) return std::nullopt;
  return EqualityText{std::move(*column), std::move(*values)};
}

// What a conjunct says if it is exactly an equality.
std::optional<EqualityText> equality_in(Tokens tokens) {
  if (tokens.size() < 3) return std::nullopt;
  const std::size_t at = find_outside(
      tokens, 0, [](const Token& token) { return token.is_symbol("=") || token.is_symbol("=="); });
  if (at == tokens.size()) return membership_in(tokens);
  const Tokens left = tokens.first(at);
  const Tokens right = tokens.subspan(at + 1);
  auto column = column_in(left);
  auto other = column_in(right);
  if (column && other) return EqualityText{std::move(*column), std::move(*other)};
  auto value = value_in(column ? right : left);
  if (!column) column = std::move(other);
  if (!column || !value) return std::nullopt;
  return EqualityText{std::move(*column), std::vector{std::move(*value)}};
}

std::vector<EqualityText> equalities_in(Tokens condition, const TextRules& rules) {
  std::vector<EqualityText> equalities;
  if ((rules.alternatives && has_outside(condition, {"or"})) ||
      (rules.between && has_outside(condition, {"between"})) || has_outside(condition, {"case"}))
    return equalities;
  for (std::size_t begin = 0; begin < condition.size();) {
    const std::size_t end = find_outside(condition, begin, [&](const Token& token) {
      return token.is_word("and") || (!rules.alternatives && token.is_word("or"));
    });
    if (auto equality = equality_in(condition.subspan(begin, end - begin)))
      equalities.push_back(std::move(*equality));
    begin = end + 1;
  }
  return equalities;
}

// Reads what stands between FROM and WHERE.
class FromReader {
 public:
  FromReader(Tokens tokens, const TextRules& rules) : tokens_(tokens), rules_(rules) {}

  std::optional<std::vector<ItemText>> read() {
    if (!item(false)) return std::nullopt;
    while (at_ < tokens_.size()) {
      const auto left = connector();
      if (!left || !item(*left)) return std::nullopt;
    }
    return std::move(items_);
  }

 private:
  [[nodiscard]] bool at_word(std::string_view word) const {
    return at_ < tokens_.size() && tokens_[at_].is_word(word);
  }
  [[nodiscard]] bool at_symbol(std::string_view symbol) const {
    return at_ < tokens_.size() && tokens_[at_].is_symbol(symbol);
  }
  bool take_word(std::string_view word) {
    const bool there = at_word(word);
    if (there) ++at_;
    return there;
  }

  // From an opening parenthesis to behind the closing one.
  void skip_group() {
    const std::size_t depth = tokens_[at_].depth;
    ++at_;
    while (at_ < tokens_.size() && tokens_[at_].depth > depth) ++at_;
    ++at_;
  }

  // Whether what follows is left joined; nothing where it is not known what it is.
  std::optional<bool> connector() {
    if (at_symbol(",")) {
      ++at_;
      return false;
    }
    bool left = false;
    for (; at_ < tokens_.size() && joins(tokens_[at_]); ++at_) {
      if (at_word("right") || at_word("full")) return std::nullopt;
      left = left || at_word("left");
      if (!at_word("join")) continue;
      ++at_;
      return left;
    }
    return std::nullopt;
  }

  bool item(bool left_joined) {
    ItemText item{.left_joined = left_joined};
    if (!source(item) || !alias(item) || !index()) return false;
    const auto same = [&](const ItemText& other) { return ascii::equal(other.alias, item.alias); };
    if (!item.alias.empty() && std::ranges::any_of(items_, same)) return false;
    if (at_word("using")) {
      ++at_;
      if (!at_symbol("(")) return false;
      skip_group();
    } else if (take_word("on")) {
      const std::size_t end = find_outside(
          tokens_, at_, [](const Token& token) { return is_comma(token) || joins(token); });
      item.on = equalities_in(tokens_.subspan(at_, end - at_), rules_);
      at_ = end;
    }
    items_.push_back(std::move(item));
    return true;
  }

  bool source(ItemText& item) {
    if (at_ >= tokens_.size()) return false;
    if (at_symbol("(")) {
      const bool query =
          at_ + 1 < tokens_.size() && is_one_of(tokens_[at_ + 1], {"select", "with", "values"});
      if (query) skip_group();
      return query;  // else a join in parentheses
    }
    if (!names_table()) return false;
    item.table = tokens_[at_++].text;
    if (at_symbol(".")) {
      ++at_;
      if (at_ >= tokens_.size() || !names_table()) return false;
      item.table = tokens_[at_++].text;
    }
    item.alias = item.table;
    if (!at_symbol("(")) return true;
    item.list = list_at(item.table);
    item.table.clear();
    skip_group();
    return true;
  }

  // The parameter of `json_each(?)`, at its parenthesis.
  [[nodiscard]] std::optional<std::size_t> list_at(std::string_view function) const {
    const bool fits = ascii::equal(function, "json_each") && at_ + 2 < tokens_.size() &&
                      tokens_[at_ + 1].kind == Token::Kind::parameter &&
                      tokens_[at_ + 2].is_symbol(")");
    return fits ? std::optional(tokens_[at_ + 1].parameter) : std::nullopt;
  }

  [[nodiscard]] bool names_table() const {
    return tokens_[at_].may_name() && !joins(tokens_[at_]) && !ends_item();
  }
  [[nodiscard]] bool ends_item() const {
    return is_one_of(tokens_[at_], {"on", "using", "indexed", "not", "as", "window"});
  }

  bool alias(ItemText& item) {
    if (take_word("as")) {
      if (at_ >= tokens_.size() || !tokens_[at_].may_name() || joins(tokens_[at_])) return false;
      item.alias = tokens_[at_++].text;
    } else if (at_ < tokens_.size() && names_table()) {
      item.alias = tokens_[at_++].text;
    }
    return true;
  }

  bool index() {
    if (take_word("not")) return take_word("indexed");
    if (!take_word("indexed")) return true;
    if (!take_word("by") || at_ >= tokens_.size() || !tokens_[at_].may_name()) return false;
    ++at_;
    return true;
  }

  Tokens tokens_;
  const TextRules& rules_;
  std::size_t at_ = 0;
  std::vector<ItemText> items_;
};

bool is_column(Tokens tokens, std::string_view qualifier, std::string_view name) {
  const auto column = column_in(tokens);
  return column && ascii::equal(column->qualifier, qualifier) && ascii::equal(column->column, name);
}

// The part of a list with commas that begins there.
Tokens part_at(Tokens tokens, std::size_t from, std::size_t end) {
  return tokens.subspan(from, std::min(end, find_outside(tokens, from, is_comma)) - from);
}

// Whose rows are told by the first column: the alias of the list of keys; empty: nobody's. `from` is where FROM stands.
std::string_view told_by_key(Tokens tokens, std::size_t select, std::size_t from,
                             const std::vector<ItemText>& items) {
  std::size_t at = select + 1;
  if (at < from && is_one_of(tokens[at], {"distinct", "all"})) ++at;
  Tokens first = part_at(tokens, at, from);
  if (first.size() > 3 && first[3].is_word("as")) first = first.first(3);
  for (const ItemText& item : items)
    if (item.list == std::size_t{0} && !item.alias.empty() && is_column(first, item.alias, "key"))
      return item.alias;
  return {};
}

bool is_grouped_by(Tokens tokens, std::size_t from, std::string_view alias) {
  const std::size_t group =
      find_outside(tokens, from, [](const Token& token) { return token.is_word("group"); });
  if (group + 2 >= tokens.size() || !tokens[group + 1].is_word("by")) return false;
  const std::size_t end = find_outside(tokens, group + 2, [](const Token& token) {
    return is_one_of(token, {"having", "order", "limit", "window"});
  });
  for (std::size_t at = group + 2; at < end;) {
    const Tokens part = part_at(tokens, at, end);
    if (is_column(part, alias, "key")) return true;
    at += part.size() + 1;
  }
  return false;
}

// All that a row can know of the list is the one row of `json_each` that it is joined from: the parameter stands
// nowhere else, nor the whole text of the list, `k.json`.
SelectText::Keys keys_in(Tokens tokens, std::size_t select, std::size_t from,
                         const std::vector<ItemText>& items, const TextRules& rules) {
  const std::string_view alias = told_by_key(tokens, select, from, items);
  if (alias.empty()) return SelectText::Keys::together;
  if (!rules.keys_apart) return SelectText::Keys::by_groups;
  const auto uses = std::ranges::count_if(tokens, [](const Token& token) {
    return token.kind == Token::Kind::parameter && token.parameter == 0;
  });
  const bool sees_all = std::ranges::any_of(tokens, [](const Token& token) {
    return token.may_name() &&
           (ascii::equal(token.text, "json") || ascii::equal(token.text, "over"));
  });
  if (uses != 1 || sees_all || has_outside(tokens, {"limit", "window"}))
    return SelectText::Keys::together;
  if (is_grouped_by(tokens, from, alias)) return SelectText::Keys::by_groups;
  return has_outside(tokens, {"group", "having"}) ? SelectText::Keys::together
                                                  : SelectText::Keys::by_rows;
}

}  // namespace

std::optional<SelectText> select_in(Tokens tokens, const TextRules& rules) {
  while (!tokens.empty() && tokens.back().is_symbol(";")) tokens = tokens.first(tokens.size() - 1);
  if (tokens.empty() || has_outside(tokens, {"union", "intersect", "except", "values"}))
    return std::nullopt;
  const auto is_select = [](const Token& token) { return token.is_word("select"); };
  const std::size_t select = find_outside(tokens, 0, is_select);
  if (select == tokens.size() || find_outside(tokens, select + 1, is_select) < tokens.size())
    return std::nullopt;
  // IS DISTINCT FROM is another one.
  std::size_t from = select;
  do {
    from = find_outside(tokens, from + 1, [](const Token& token) { return token.is_word("from"); });
  } while (from < tokens.size() && tokens[from - 1].is_word("distinct"));
  if (from == tokens.size()) return SelectText{};
  const std::size_t from_end = find_outside(tokens, from + 1, ends_from);
  const Tokens items = tokens.subspan(from + 1, from_end - from - 1);
  if (items.empty() || has_outside(items, {"window"})) return std::nullopt;
  auto read = FromReader(items, rules).read();
  if (!read) return std::nullopt;
  const SelectText::Keys keys = keys_in(tokens, select, from, *read, rules);
  SelectText text{.items = std::move(*read), .keys = keys};
  if (from_end == tokens.size() || !tokens[from_end].is_word("where")) return text;
  const std::size_t where_end = find_outside(tokens, from_end + 1, ends_where);
  const Tokens where = tokens.subspan(from_end + 1, where_end - from_end - 1);
  if (!where.empty()) text.where = equalities_in(where, rules);
  return text;
}

}  // namespace querymark::sqlite

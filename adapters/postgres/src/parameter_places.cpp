#include "parameter_places.hpp"

#include <string_view>
#include <utility>

namespace querymark::postgres {
namespace {

bool is_operator(const SqlToken& token) {
  constexpr std::string_view kOperators = "+-*/<>=~!@#%^&|`?";
  return token.kind == SqlToken::Kind::symbol &&
         kOperators.find(token.character) != std::string_view::npos;
}

bool is_comparison(std::string_view text) {
  for (const char* const one : {"=", "<", ">", "<=", ">=", "<>", "!="})
    if (text == one) return true;
  return false;
}

}  // namespace

bool ParameterPlaces::take(const SqlToken& token, std::size_t number, bool type) {
  const bool stands = go_on(token, type) && !(std::exchange(closed_, false) && is_operator(token));
  if (token.kind == SqlToken::Kind::parameter) begin(number);
  follow(token);
  earlier_ = std::exchange(before_, token);
  return stands;
}

bool ParameterPlaces::go_on(const SqlToken& token, bool type) {
  if (!parameter_) return true;
  if (token.is(':') && behind_.empty() && colons_ < 2) {
    ++colons_;
    return true;
  }
  if (colons_ > 0) {
    parameter_.reset();
    return colons_ == 2 && type;
  }
  if (is_operator(token) && (behind_.empty() || token.begin == before_.end)) {
    behind_ += token.character;
    return true;
  }
  return judge(&token);
}

bool ParameterPlaces::judge(const SqlToken* next) {
  loose_[*std::exchange(parameter_, std::nullopt)] = true;
  if (!behind_.empty()) return begins_ && is_comparison(behind_);
  if (stands_)
    return next == nullptr || next->is(')') || next->is(',') || next->is(';') ||
           (next->kind == SqlToken::Kind::word && !next->is("at"));
  return begins_ && next != nullptr && next->is_one_of({"between", "in", "is"});
}

void ParameterPlaces::begin(std::size_t number) {
  parameter_ = number;
  colons_ = 0;
  behind_.clear();
  const bool listed = !groups_.empty() && groups_.back().takes;
  const bool in_front = before_.is('(') || before_.is(',');
  stands_ = is_compared() || (in_front && listed);
  begins_ = in_front || before_.kind == SqlToken::Kind::word;
}

bool ParameterPlaces::is_compared() const {
  if (is_operator(before_)) return is_comparison(operator_);
  return (before_.is("from") && earlier_.is("distinct")) ||
         before_.is_one_of({"between", "and", "like", "ilike", "limit", "offset", "first", "next"});
}

void ParameterPlaces::follow(const SqlToken& token) {
  if (is_operator(token)) {
    if (!is_operator(before_) || before_.end != token.begin) operator_.clear();
    operator_ += token.character;
    return;
  }
  if (token.is("into")) inserts_ = true;
  if (token.is('(') || token.is('[')) {
    const bool of_values = values_ && (before_.is("values") || before_.is(','));
    const bool compared = is_operator(before_) ? is_comparison(operator_)
                                               : before_.is_one_of({"in", "any", "all", "some"});
    groups_.push_back({.takes = token.is('(') && (of_values || compared),
                       .values = std::exchange(values_, false),
                       .inserts = inserts_});
  } else if ((token.is(')') || token.is(']')) && !groups_.empty()) {
    closed_ = groups_.back().takes;
    values_ = groups_.back().values;
    inserts_ = groups_.back().inserts;
    groups_.pop_back();
  } else if (token.is_identifier()) {
    const bool query = token.is_one_of({"select", "values", "with"});
    if (query && before_.is('(') && !groups_.empty()) groups_.back().takes = false;
    values_ = token.is("values") && inserts_;
    if (query || token.is_one_of({"from", "where", "returning"})) inserts_ = false;
  }
}

}  // namespace querymark::postgres

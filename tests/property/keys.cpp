#include <catch2/catch.hpp>
#include <map>

#include "property/random.hpp"
#include "querymark/key/key.hpp"
#include "support/rounds.hpp"

// Distinct queries never share a key: the encoding is injective.

namespace {

using namespace querymark;
using test::Choices;

struct Described {
  std::string encoded;
  std::string meaning;  // another, plainly injective description: decimal lengths, type names
};

void describe(std::string& meaning, std::string_view part) {
  meaning += std::to_string(part.size()) + '#' + std::string(part) + ';';
}

// Short strings over few letters, so that equal and shifted parts are frequent.
std::string part(Choices& choices) {
  static constexpr std::string_view kLetters("a:\0\1\4'%;", 8);
  std::string text;
  for (std::size_t i = choices.below(4); i > 0; --i) text += kLetters[choices.below(8)];
  return text;
}

Described random_query(Choices& choices) {
  const Scope scope{part(choices), part(choices), choices.one_in(3) ? part(choices) : "",
                    choices.one_in(3) ? part(choices) : ""};
  const std::string type = choices.one_in(2) ? "rows" : part(choices);
  const std::string sql = part(choices);
  const auto form = choices.one_in(4) ? KeyPrefix::Form::named : KeyPrefix::Form::sql;
  Described query;
  for (const std::string* text :
       {&type, &scope.namespace_name, &scope.database, &scope.session, &scope.caller, &sql})
    describe(query.meaning, *text);
  query.meaning += form == KeyPrefix::Form::named ? "named" : "sql";
  query.encoded = KeyPrefix(type, form, scope, sql).bytes();
  for (std::size_t i = choices.below(4); i > 0; --i) {
    const std::string text = part(choices);
    ParameterView parameter;
    query.meaning += "|";
    switch (choices.below(7)) {
      case 0:
        query.meaning += "null";
        break;
      case 1:
        parameter = ParameterView::boolean(!text.empty());
        query.meaning += text.empty() ? "false" : "true";
        break;
      case 2:
        parameter = ParameterView::int64(static_cast<std::int64_t>(text.size()) - 1);
        query.meaning += "i" + std::to_string(parameter.as_int64());
        break;
      case 3:
        parameter = ParameterView::float64(static_cast<double>(text.size()) - 1);
        query.meaning += "f" + std::to_string(parameter.as_float64());
        break;
      case 4:
        parameter = ParameterView::text(text);
        describe(query.meaning += "t", text);
        break;
      case 5: {
        const auto element = static_cast<ValueType>(choices.below(6));
        parameter = ParameterView::array(element, text);
        describe(query.meaning += "a" + std::to_string(static_cast<int>(element)), text);
        break;
      }
      default:
        parameter = ParameterView::bytes(text);
        describe(query.meaning += "b", text);
    }
    detail::encode_parameter(query.encoded, parameter);
  }
  return query;
}

}  // namespace

TEST_CASE("key: distinct queries never share a key, equal ones always do", "[keys]") {
  const std::uint64_t first = Choices::first_seed();
  std::map<std::string, std::string> meaning_of;
  std::map<std::string, std::string> encoding_of;
  for (std::uint64_t seed = first; seed < first + test::rounds(100'000); ++seed) {
    Choices choices(seed);
    const Described query = random_query(choices);
    const auto meaning = meaning_of.emplace(query.encoded, query.meaning).first;
    const auto encoding = encoding_of.emplace(query.meaning, query.encoded).first;
    if (meaning->second != query.meaning || encoding->second != query.encoded) {
      INFO("QUERYMARK_SEED=" << seed);
      FAIL(query.meaning << " and " << meaning->second);
    }
  }
  CHECK(meaning_of.size() > 1000);
}

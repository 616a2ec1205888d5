// Values in the one text that carries them: whatever they hold, each becomes one literal that reads
// back as the value, and what stands around it stays what it was.

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <string>

#include "fuzz/fuzz.hpp"
#include "sql_tokens.hpp"
#include "statement_text.hpp"
#include "values.hpp"

using namespace querymark;
using postgres::Backslash;

namespace {

// Quotes as libpq does on a connection of which nothing is known yet, so in either way.
std::string quote(ParameterView value) {
  static PGconn* const unconnected = PQconnectStart("host=/nonexistent");
  const std::string text = postgres::text_of(value).value();
  char* const quoted = PQescapeLiteral(unconnected, text.data(), text.size());
  fuzz::require(quoted != nullptr, "text without NUL can be quoted");
  std::string literal = quoted;
  PQfreemem(quoted);
  return literal;
}

// What the server makes of a literal.
std::string read_back(std::string_view literal) {
  const bool escapes = literal.front() == 'E';
  literal.remove_prefix(escapes ? 2 : 1);
  literal.remove_suffix(1);
  std::string value;
  for (std::size_t at = 0; at < literal.size(); ++at) {
    const bool doubled = literal[at] == '\'' || (escapes && literal[at] == '\\');
    if (doubled) ++at;
    fuzz::require(at < literal.size(), "what needs it is doubled");
    value += literal[at];
  }
  return value;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto backslash = (data[0] & 1U) == 0 ? Backslash::plain : Backslash::escapes;
  const std::string_view text = fuzz::view_of(data + 1, size - 1);
  if (text.find('\0') != std::string_view::npos) return 0;  // refused before it comes here
  const std::size_t half = text.size() / 2;
  const std::array texts{text.substr(0, half), text.substr(half)};
  const std::array values{ParameterView::text(texts[0]), ParameterView::text(texts[1])};
  const std::string sql = postgres::with_literals("select $1,$2,$1", values, quote, backslash);

  postgres::SqlTokens tokens(sql, backslash);
  fuzz::require(tokens.next().value_or(postgres::SqlToken{}).is("select"), "select");
  for (const std::size_t value : {0U, 1U, 0U}) {
    const auto literal = tokens.next();
    fuzz::require(literal && literal->kind == postgres::SqlToken::Kind::text, "one literal");
    const std::string_view spelt =
        std::string_view(sql).substr(literal->begin, literal->end - literal->begin);
    if (spelt.front() == 'E' || backslash == Backslash::plain)
      fuzz::require(read_back(spelt) == texts[value], "the value comes back");
    const auto comma = tokens.next();
    if (comma) fuzz::require(comma->is(','), "a comma");
  }
  fuzz::require(!tokens.next(), "and nothing else");
  return 0;
}

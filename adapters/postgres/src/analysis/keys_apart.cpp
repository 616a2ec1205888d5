#include "keys_apart.hpp"

namespace querymark::postgres {
namespace {

constexpr int kFunction = 3;             // as the server numbers entries
constexpr std::int64_t kUnnest = 2331;   // unnest(anyarray)
constexpr std::int64_t kOrdinality = 2;  // its column, behind the elements

// The parameter of `unnest($n)`.
std::optional<std::int64_t> parameter_of(const Node& entry) {
  if (entry.number("rtekind") != kFunction) return std::nullopt;
  const auto& functions = entry["functions"].items();
  if (functions.size() != 1) return std::nullopt;
  const Node& call = functions[0]["funcexpr"];
  if (!call.is("FUNCEXPR") || call.number("funcid") != kUnnest) return std::nullopt;
  const auto& arguments = call["args"].items();
  if (arguments.size() != 1) return std::nullopt;
  const Node& given = arguments[0];
  if (!given.is("PARAM") || given.number("paramkind") != 0 || given.number("paramid") < 1)
    return std::nullopt;
  return given.number("paramid");
}

std::optional<Sense> sense_of_elements(Oid array, const Facts& facts) {
  switch (array) {
    case 1005:  // int2[]
    case 1007:  // int4[]
    case 1016:  // int8[]
      return Sense::integer;
    case 1000:
      return Sense::boolean;
    case 2951:
      return Sense::uuid;
    case 1009:  // text[]
    case 1015:  // varchar[]
      return Sense::text;
    default:
      break;
  }
  const auto known = facts.types.find(array);
  if (known == facts.types.end() || !known->second.array) return std::nullopt;
  const auto element = facts.types.find(known->second.element);
  if (element == facts.types.end() || element->second.kind != 'e') return std::nullopt;
  return Sense::enumeration;
}

std::size_t uses_of_first(const Node& part) {
  std::size_t uses =
      part.is("PARAM") && part.number("paramkind") == 0 && part.number("paramid") == 1 ? 1 : 0;
  for (const Node& item : part.items()) uses += uses_of_first(item);
  for (const auto& [name, value] : part.fields()) uses += uses_of_first(value);
  return uses;
}

bool looks_at_several_rows(const Node& query, const Node& output) {
  if (!query["limitCount"].none() || !query["limitOffset"].none() || query.flag("hasWindowFuncs") ||
      query.flag("hasDistinctOn") || query.flag("hasTargetSRFs") || !query["groupingSets"].none() ||
      !query["setOperations"].none())
    return true;
  const bool grouped =
      !query["groupClause"].none() || query.flag("hasAggs") || !query["havingQual"].none();
  if (!grouped) return false;
  const auto reference = output.number("ressortgroupref");
  if (reference == 0) return true;
  for (const Node& by : query["groupClause"].items())
    if (by.number("tleSortGroupRef") == reference) return false;
  return true;
}

}  // namespace

std::optional<Unnested> unnested(const Node& entry, const Facts& facts) {
  const auto parameter = parameter_of(entry);
  if (!parameter) return std::nullopt;
  const Node& given = entry["functions"].items()[0]["funcexpr"]["args"].items()[0];
  const auto sense = sense_of_elements(static_cast<Oid>(given.number("paramtype")), facts);
  if (!sense || (sense == Sense::enumeration && !facts.reports_definitions)) return std::nullopt;
  return Unnested{static_cast<std::size_t>(*parameter - 1), *sense};
}

bool keys_are_apart(const Node& query, Broken broken) {
  const auto& outputs = query["targetList"].items();
  if (outputs.empty()) return false;
  const Node& tells = outputs.front()["expr"];
  if (!tells.is("VAR") || tells.number("varlevelsup") != 0 ||
      tells.number("varattno") != kOrdinality || outputs.front().flag("resjunk"))
    return false;
  const auto place = tells.number("varno");
  const auto& places = query["rtable"].items();
  if (place < 1 || static_cast<std::size_t>(place) > places.size()) return false;
  const Node& entry = places[static_cast<std::size_t>(place) - 1];
  if (parameter_of(entry) != 1 || !entry.flag("funcordinality")) return false;
  if (broken == Broken::keys_run_together) return true;
  return uses_of_first(query) == 1 && !looks_at_several_rows(query, outputs.front());
}

}  // namespace querymark::postgres

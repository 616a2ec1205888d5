#include "verdicts.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace querymark::postgres {
namespace {

using enum Verdict;

constexpr std::array kNodes{
    NodeVerdict{"AGGREF", cache, ""},
    NodeVerdict{"ALIAS", cache, ""},
    NodeVerdict{"ARRAY", cache, ""},
    NodeVerdict{"ARRAYCOERCEEXPR", cache, ""},
    NodeVerdict{"ARRAYEXPR", cache, ""},
    NodeVerdict{"BOOLEANTEST", cache, ""},
    NodeVerdict{"BOOLEXPR", cache, ""},
    NodeVerdict{"CASE", cache, ""},
    NodeVerdict{"CASEEXPR", cache, ""},
    NodeVerdict{"CASETESTEXPR", cache, ""},
    NodeVerdict{"CASEWHEN", cache, ""},
    NodeVerdict{"COALESCE", cache, ""},
    NodeVerdict{"COALESCEEXPR", cache, ""},
    NodeVerdict{"COERCETODOMAIN", cache, ""},
    NodeVerdict{"COERCEVIAIO", cache, ""},
    NodeVerdict{"COLLATEEXPR", cache, ""},
    NodeVerdict{"COMMONTABLEEXPR", cache, ""},
    NodeVerdict{"CONST", cache, ""},
    NodeVerdict{"CONVERTROWTYPEEXPR", cache, ""},
    NodeVerdict{"CTECYCLECLAUSE", cache, ""},
    NodeVerdict{"CTESEARCHCLAUSE", cache, ""},
    NodeVerdict{"DISTINCTEXPR", cache, ""},
    NodeVerdict{"FIELDSELECT", cache, ""},
    NodeVerdict{"FROMEXPR", cache, ""},
    NodeVerdict{"FUNCEXPR", cache, ""},
    NodeVerdict{"GROUPINGFUNC", cache, ""},
    NodeVerdict{"GROUPINGSET", cache, ""},
    NodeVerdict{"JOINEXPR", cache, ""},
    NodeVerdict{"MINMAX", cache, ""},
    NodeVerdict{"MINMAXEXPR", cache, ""},
    NodeVerdict{"NAMEDARGEXPR", cache, ""},
    NodeVerdict{"NULLIFEXPR", cache, ""},
    NodeVerdict{"NULLTEST", cache, ""},
    NodeVerdict{"OPEXPR", cache, ""},
    NodeVerdict{"PARAM", cache, ""},
    NodeVerdict{"QUERY", cache, ""},
    NodeVerdict{"RANGETBLENTRY", cache, ""},
    NodeVerdict{"RANGETBLFUNCTION", cache, ""},
    NodeVerdict{"RANGETBLREF", cache, ""},
    NodeVerdict{"RELABELTYPE", cache, ""},
    NodeVerdict{"ROW", cache, ""},
    NodeVerdict{"ROWCOMPARE", cache, ""},
    NodeVerdict{"ROWCOMPAREEXPR", cache, ""},
    NodeVerdict{"ROWEXPR", cache, ""},
    NodeVerdict{"RTE", cache, ""},
    NodeVerdict{"RTEPERMISSIONINFO", cache, ""},
    NodeVerdict{"SCALARARRAYOPEXPR", cache, ""},
    NodeVerdict{"SETOPERATIONSTMT", cache, ""},
    NodeVerdict{"SORTGROUPCLAUSE", cache, ""},
    NodeVerdict{"SUBLINK", cache, ""},
    NodeVerdict{"SUBSCRIPTINGREF", cache, ""},
    NodeVerdict{"TARGETENTRY", cache, ""},
    NodeVerdict{"VAR", cache, ""},
    NodeVerdict{"WHEN", cache, ""},
    NodeVerdict{"WINDOWCLAUSE", cache, ""},
    NodeVerdict{"WINDOWFUNC", cache, ""},
    NodeVerdict{"SQLVALUEFUNCTION", ttl_only,
                "it asks for the time or the user (current_date, current_user...)"},
    NodeVerdict{"NEXTVALUEEXPR", refuse, "it takes a value of a sequence"},
    NodeVerdict{"ROWMARKCLAUSE", refuse, "it locks rows (FOR UPDATE, FOR SHARE)"},
    NodeVerdict{"TABLESAMPLECLAUSE", refuse, "it reads a sample (TABLESAMPLE)"},
};

constexpr auto kOfSettings = std::to_array<std::string_view>({"anytextcat",
                                                              "array_to_json",
                                                              "array_to_string",
                                                              "concat",
                                                              "concat_ws",
                                                              "convert",
                                                              "convert_from",
                                                              "convert_to",
                                                              "date",
                                                              "date_add",
                                                              "date_cmp_timestamptz",
                                                              "date_eq_timestamptz",
                                                              "date_ge_timestamptz",
                                                              "date_gt_timestamptz",
                                                              "date_le_timestamptz",
                                                              "date_lt_timestamptz",
                                                              "date_ne_timestamptz",
                                                              "date_part",
                                                              "date_subtract",
                                                              "date_trunc",
                                                              "enum_first",
                                                              "enum_last",
                                                              "enum_range",
                                                              "extract",
                                                              "format",
                                                              "generate_series",
                                                              "in_range",
                                                              "interval_pl_timestamptz",
                                                              "json_agg",
                                                              "json_agg_strict",
                                                              "json_build_array",
                                                              "json_build_object",
                                                              "json_object_agg",
                                                              "json_object_agg_strict",
                                                              "json_object_agg_unique",
                                                              "json_object_agg_unique_strict",
                                                              "jsonb_agg",
                                                              "jsonb_agg_strict",
                                                              "jsonb_build_array",
                                                              "jsonb_build_object",
                                                              "jsonb_object_agg",
                                                              "jsonb_object_agg_strict",
                                                              "jsonb_object_agg_unique",
                                                              "jsonb_object_agg_unique_strict",
                                                              "length",
                                                              "overlaps",
                                                              "pg_typeof",
                                                              "quote_literal",
                                                              "quote_nullable",
                                                              "row_to_json",
                                                              "textanycat",
                                                              "timestamp",
                                                              "timestamp_cmp_timestamptz",
                                                              "timestamp_eq_timestamptz",
                                                              "timestamp_ge_timestamptz",
                                                              "timestamp_gt_timestamptz",
                                                              "timestamp_le_timestamptz",
                                                              "timestamp_lt_timestamptz",
                                                              "timestamp_ne_timestamptz",
                                                              "timestamptz",
                                                              "timestamptz_cmp_date",
                                                              "timestamptz_cmp_timestamp",
                                                              "timestamptz_eq_date",
                                                              "timestamptz_eq_timestamp",
                                                              "timestamptz_ge_date",
                                                              "timestamptz_ge_timestamp",
                                                              "timestamptz_gt_date",
                                                              "timestamptz_gt_timestamp",
                                                              "timestamptz_le_date",
                                                              "timestamptz_le_timestamp",
                                                              "timestamptz_lt_date",
                                                              "timestamptz_lt_timestamp",
                                                              "timestamptz_mi_interval",
                                                              "timestamptz_ne_date",
                                                              "timestamptz_ne_timestamp",
                                                              "timestamptz_pl_interval",
                                                              "to_char",
                                                              "to_date",
                                                              "to_json",
                                                              "to_jsonb",
                                                              "to_number",
                                                              "to_timestamp"});

// Fields that hold a function's oid, an operator's, a type's, in whichever node they stand.
constexpr std::array<std::string_view, 7> kFunctionFields{
    "funcid",           "aggfnoid",       "winfnoid",  "opfuncid",
    "startInRangeFunc", "endInRangeFunc", "hashfuncid"};
constexpr std::array<std::string_view, 4> kOperatorFields{"opno", "eqop", "sortop", "winner"};
constexpr std::array<std::string_view, 5> kTypeFields{"consttype", "paramtype", "resulttype",
                                                      "minmaxtype", "refcontainertype"};
// A type that is, or may be made of, one whose values are shown as something else tomorrow.
bool may_name_roles(Oid type) noexcept {
  return type >= 16384 || type == 4096 || type == 4097 || type == 1033 || type == 1034;
}

// Those that ask at run time how values of their arguments' types become JSON.
bool makes_json_of_any(const FunctionFacts& function) {
  return function.own && function.volatility == 's' &&
         function.name.find("json") != std::string::npos;
}

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

// Calls `visit` with each node of a tree, queries in it included.
template <class Visit>
void each_node(const Node& part, Visit&& visit) {
  if (part.kind() == Node::Kind::node) visit(part);
  for (const Node& item : part.items()) each_node(item, visit);
  for (const auto& [name, value] : part.fields()) each_node(value, visit);
}

const std::array kDateTypes{Oid{1082}, Oid{1083}, Oid{1114}, Oid{1184}};  // not timetz
bool is_date(Oid type) { return std::ranges::find(kDateTypes, type) != kDateTypes.end(); }

Reads reads_within(Oid type, const Facts& facts, int depth) {
  if (is_date(type)) return Reads::dates;
  const auto found = facts.types.find(type);
  if (found == facts.types.end() || depth > 8) return Reads::otherwise;
  const TypeFacts& known = found->second;
  if (type == 790 || type == 1186 || type == 705)
    return Reads::plainly;  // money, interval: settings
  switch (known.kind) {
    case 'e':
      return Reads::plainly;  // by labels, of which changes are reported
    case 'd':
    case 'r':
    case 'm':
      return reads_within(known.element, facts, depth + 1);
    case 'b':
      if (known.element != 0 && known.array) return reads_within(known.element, facts, depth + 1);
      return known.input == 'i' && (known.own || known.extension) ? Reads::plainly
                                                                  : Reads::otherwise;
    default:
      return Reads::otherwise;
  }
}

std::string type_name(Oid type, const Facts& facts) {
  const auto found = facts.types.find(type);
  return found == facts.types.end() ? "of an unknown type" : found->second.name;
}

void judge_function(Oid id, const Facts& facts, Judgement& judgement) {
  if (id == 0) return;
  const auto found = facts.functions.find(id);
  if (found == facts.functions.end()) {
    judgement.add(refuse, "it calls a function that the catalogue does not show");
    return;
  }
  const FunctionFacts& function = found->second;
  const std::string called = function.schema + '.' + function.name + '(' + function.arguments + ')';
  if (!function.body.empty()) return;  // it is judged by that
  const bool trusted = function.own || function.extension;
  if (function.volatility == 'v') {
    judgement.add(refuse, "it calls " + called + ", which is volatile");
  } else if (!function.own && facts.promises.calls_pure(function.schema, function.name)) {
    return;
  } else if (!trusted && !facts.promises.reads.empty()) {
    return;  // what it reads is among the occurrences
  } else if (trusted && function.volatility == 'i') {
    return;
  } else if (function.own && is_one_of(function.name, kOfSettings)) {
    if (makes_json_of_any(function))
      for (const Oid cast : facts.json_casts) judge_function(cast, facts, judgement);
  } else if (trusted) {
    judgement.add(ttl_only, "it calls " + called +
                                ", whose result may change without a write (it is STABLE)");
  } else {
    judgement.add(ttl_only,
                  "what " + called +
                      " reads is not known: write it with BEGIN ATOMIC, or say what it reads: "
                      ".reads(table), or .pure(function)");
  }
}

void judge_query(const Node& query, Judgement& judgement) {
  if (query.number("commandType") != 1 || !query["utilityStmt"].none())
    judgement.add(refuse, "it does something else than to read");
  if (query.flag("hasModifyingCTE")) judgement.add(refuse, "it writes, in a WITH");
  if (query.flag("hasForUpdate") || !query["rowMarks"].none())
    judgement.add(refuse, "it locks rows (FOR UPDATE, FOR SHARE)");
  if (query.flag("hasRowSecurity"))
    judgement.add(ttl_only, "row-level security decides which rows it sees");
}

void judge_entry(const Node& entry, Judgement& judgement) {
  const auto kind = entry.number("rtekind");
  const bool known = (0 <= kind && kind <= 3) || kind == 5 || kind == 6 || kind == 8;
  if (!known)
    judgement.add(refuse, kind == 4 ? "it reads a table that it makes itself (XMLTABLE, JSON_TABLE)"
                          : kind == 7 ? "it reads a transition table"
                                      : "it reads from what this library does not know, number " +
                                            std::to_string(kind) + " of the server's range tables");
  if (kind == 0 && entry.has("tablesample") && !entry["tablesample"].none())
    judgement.add(refuse, "it reads a sample (TABLESAMPLE)");
  if (entry.has("securityQuals") && !entry["securityQuals"].none())
    judgement.add(ttl_only, "row-level security decides which rows it sees");
}

void judge_conversion(Oid type, const Facts& facts, Judgement& judgement) {
  if (reads(type, facts) != Reads::plainly)
    judgement.add(refuse, "it makes a text into a value of type " + type_name(type, facts) +
                              ", which may mean another one tomorrow ('today')");
}

void judge_shown(Oid type, const Facts& facts, Judgement& judgement) {
  const auto found = facts.types.find(type);
  if (found != facts.types.end() && found->second.names_roles)
    judgement.add(ttl_only, "it reads values of type " + found->second.name +
                                ", which show the name of a role: no change of that is reported");
}

void judge_node(const Node& node, const Facts& facts, Judgement& judgement) {
  const auto found = std::ranges::find(kNodes, node.text(), &NodeVerdict::node);
  if (found == kNodes.end()) {
    judgement.add(refuse,
                  "the server's tree holds " + node.text() + ", which this library does not know");
    return;
  }
  if (found->verdict != cache) judgement.add(found->verdict, std::string(found->why));
  if (node.is("QUERY")) judge_query(node, judgement);
  if (node.is("RANGETBLENTRY") || node.is("RTE")) judge_entry(node, judgement);
  if (node.is("VAR") && node.number("varattno") < 0)
    judgement.add(refuse, "it reads a system column (ctid, xmin, tableoid...)");
  for (const std::string_view field : {"vartype", "resulttype"})
    if (node.has(field)) judge_shown(static_cast<Oid>(node.number(field)), facts, judgement);
  if (node.is("PARAM") && node.number("paramkind") != 0 && node.number("paramkind") != 2)
    judgement.add(refuse, "it has a parameter of a kind that is not known");
  if (node.is("COERCEVIAIO")) {
    const auto result = static_cast<Oid>(node.number("resulttype"));
    judge_conversion(result, facts, judgement);
  }
  if (node.is("CONST") && !node.flag("constisnull")) {
    const auto type = static_cast<Oid>(node.number("consttype"));
    if (reads(type, facts) == Reads::otherwise &&
        type != 2275)  // not cstring, of the server's making
      judgement.add(refuse, "it has a constant of type " + type_name(type, facts));
  }
  for (const std::string_view field : kFunctionFields)
    if (node.has(field)) judge_function(static_cast<Oid>(node.number(field)), facts, judgement);
  const auto operation = [&](std::int64_t op) {
    if (op == 0) return;
    const auto behind = facts.operators.find(static_cast<Oid>(op));
    if (behind == facts.operators.end())
      judgement.add(refuse, "it uses an operator that the catalogue does not show");
    else
      judge_function(behind->second, facts, judgement);
  };
  for (const std::string_view field : kOperatorFields)
    if (node.has(field)) operation(node.number(field));
  if (node.has("opnos"))
    for (const std::int64_t op : node["opnos"].numbers()) operation(op);
}

}  // namespace

std::span<const NodeVerdict> node_verdicts() noexcept { return kNodes; }
std::span<const std::string_view> functions_of_settings() noexcept { return kOfSettings; }

bool makes_json(const Facts& facts) {
  return std::ranges::any_of(
      facts.functions, [](const auto& function) { return makes_json_of_any(function.second); });
}

void Judgement::add(Verdict more, std::string reason) {
  if (more <= verdict) return;
  verdict = more;
  why = std::move(reason);
}

void collect_names(const Node& tree, Names& names) {
  each_node(tree, [&names](const Node& node) {
    const auto collect = [&node](std::span<const std::string_view> fields, std::set<Oid>& into) {
      for (const std::string_view field : fields)
        if (node.has(field) && node.number(field) != 0)
          into.insert(static_cast<Oid>(node.number(field)));
    };
    collect(kFunctionFields, names.functions);
    collect(kOperatorFields, names.operators);
    collect(kTypeFields, names.types);
    if (node.has("vartype"))
      if (const auto type = static_cast<Oid>(node.number("vartype")); may_name_roles(type))
        names.types.insert(type);
    if (node.has("opnos"))
      for (const std::int64_t op : node["opnos"].numbers())
        names.operators.insert(static_cast<Oid>(op));
    if (node.is("RANGETBLENTRY") && node.number("rtekind") == 0)
      names.relations.insert(static_cast<Oid>(node.number("relid")));
  });
}

void judge_tree(const Node& tree, const Facts& facts, Judgement& judgement) {
  each_node(tree, [&](const Node& node) { judge_node(node, facts, judgement); });
}

void judge_relation(const RelationFacts& relation, const Facts& facts, Judgement& judgement) {
  const std::string name = relation.schema + '.' + relation.name;
  if (relation.system) {
    judgement.add(refuse, "it reads " + name + ", a catalogue");
  } else if (relation.persistence == 't') {
    judgement.add(refuse, "it reads the temporary table " + relation.name);
  } else if (relation.kind == 'v') {  // judged by its rule
    if (relation.rule.empty())
      judgement.add(refuse, "the catalogue does not show what " + name + " reads");
  } else if (relation.row_security) {
    judgement.add(ttl_only, "row-level security decides which rows of " + name + " it sees");
  } else if (relation.kind == 'm') {
    if (!facts.reports_definitions)
      judgement.add(ttl_only,
                    "nothing reports a REFRESH of " + name +
                        ": have a superuser run `querymark track`, for its event triggers");
  } else if (relation.kind == 'f') {
    judgement.add(ttl_only, "it reads the foreign table " + name);
  } else if (relation.kind == 'S') {
    judgement.add(ttl_only, "it reads the sequence " + name);
  } else if (relation.kind != 'r' && relation.kind != 'p') {
    judgement.add(refuse, "it reads " + name + ", a relation of kind " + relation.kind);
  } else if (relation.reported_as.empty()) {
    judgement.add(ttl_only, "nothing reports writes to " + name + ": " + relation.untracked);
  }
}

Reads reads(Oid type, const Facts& facts) { return reads_within(type, facts, 0); }

bool has_dates(const Node& tree, const Facts& facts) {
  bool found = false;
  each_node(tree, [&](const Node& node) {
    if (node.is("CONST") &&
        reads(static_cast<Oid>(node.number("consttype")), facts) == Reads::dates)
      found = true;
  });
  return found;
}

}  // namespace querymark::postgres

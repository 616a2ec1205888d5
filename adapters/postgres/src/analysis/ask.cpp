#include "ask.hpp"

#include <algorithm>
#include <deque>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "postgres_sql.hpp"
#include "querymark/postgres/types.hpp"
#include "querymark/support/error.hpp"
#include "statement_text.hpp"
#include "tracked_head.hpp"

namespace querymark::postgres {
namespace {

constexpr const char* kName = "querymark_analysed";
constexpr const char* kBegin = "begin isolation level read committed read write";
constexpr std::size_t kMostArguments = 100;  // of a function

template <class T>
std::vector<T> list(const Row& row, std::string_view column) {
  return row[column].as<std::vector<T>>();
}

Oid oid(const Row& row, std::string_view column) {
  return static_cast<Oid>(row[column].as<std::int64_t>());
}

OwnedParameter oids(const std::set<Oid>& all) {
  std::string text = "{";
  for (const Oid id : all) {
    if (text.size() > 1) text += ',';
    text += std::to_string(id);
  }
  text += '}';
  return {ParameterView::text({}), std::move(text)};
}

// What a relation's triggers report, or why they don't.
void read_reports(const Row& row, RelationFacts& relation) {
  const auto uniques = list<std::string>(row, "uniques");
  for (const std::string& unique : uniques) {
    auto& columns = relation.uniques.emplace_back();
    for (std::size_t at = 0; at <= unique.size();) {
      const std::size_t end = std::min(unique.find('\n', at), unique.size());
      columns.push_back(unique.substr(at, end - at));
      at = end + 1;
    }
  }
  const auto heads = list<std::string>(row, "heads");
  const auto silent = row["silent"].as<std::int64_t>();
  if (row["tangled"].as<std::optional<bool>>().value_or(true))
    relation.untracked = "it, or one of its members, has two parents";
  else if (row["partly_foreign"].as<std::optional<bool>>().value_or(true))
    relation.untracked = "one of its members is a foreign table";
  else if (heads.empty())
    relation.untracked = "it is not tracked; run `querymark track`";
  else if (silent != 0)
    relation.untracked = std::to_string(silent) + " of its " +
                         std::to_string(row["members"].as<std::int64_t>()) +
                         " members lack a trigger, or it is disabled; run `querymark track`";
  else if (heads.size() != 1)
    relation.untracked = "its members' triggers differ; run `querymark track`";
  else if (row["unheard"].as<bool>())
    relation.untracked =
        "a subscription writes to it, and its triggers don't fire for each row; run `querymark "
        "track`";
  if (!relation.untracked.empty()) return;
  auto head = TrackedHead::read(heads[0]);
  if (!head) {
    relation.untracked = "its triggers are of another version; run `querymark track`";
    return;
  }
  relation.reported_as = std::move(head->relation);
  for (auto& columns : head->routes) {
    std::vector<std::string> sorted = columns;
    std::ranges::sort(sorted);
    std::string key;
    for (const std::string& column : sorted) key.append(key.empty() ? "" : "\n").append(column);
    relation.routes.push_back(
        {std::move(columns), std::ranges::find(uniques, key) != uniques.end()});
  }
}

void learn_relations(const ResultSet& rows, Facts& facts) {
  for (const Row row : rows) {
    RelationFacts relation{.schema = row["schema"].as<std::string>(),
                           .name = row["name"].as<std::string>(),
                           .kind = row["kind"].as<std::string>().at(0),
                           .persistence = row["persistence"].as<std::string>().at(0),
                           .row_security = row["row_security"].as<bool>(),
                           .system = row["system"].as<bool>(),
                           .rule = row["rule"].as<std::optional<std::string>>().value_or("")};
    const auto columns = list<std::int64_t>(row, "columns");
    const auto names = list<std::string>(row, "names");
    for (std::size_t at = 0; at < columns.size(); ++at)
      relation.columns.emplace(static_cast<int>(columns[at]), names[at]);
    read_reports(row, relation);
    facts.relations.emplace(oid(row, "oid"), std::move(relation));
  }
}

void learn_functions(const ResultSet& rows, Facts& facts) {
  for (const Row row : rows) {
    const Oid id = oid(row, "oid");
    for (const std::int64_t op : list<std::int64_t>(row, "operators"))
      facts.operators.emplace(static_cast<Oid>(op), id);
    facts.functions.try_emplace(
        id, FunctionFacts{.schema = row["schema"].as<std::string>(),
                          .name = row["name"].as<std::string>(),
                          .arguments = row["arguments"].as<std::string>(),
                          .volatility = row["volatility"].as<std::string>().at(0),
                          .own = row["own"].as<bool>(),
                          .extension = row["extension"].as<bool>(),
                          .body = row["body"].as<std::optional<std::string>>().value_or("")});
  }
}

void learn_types(const ResultSet& rows, Facts& facts) {
  for (const Row row : rows) {
    TypeFacts type{.name = row["name"].as<std::string>(),
                   .kind = row["kind"].as<std::string>().at(0),
                   .own = row["own"].as<bool>(),
                   .array = row["is_array"].as<bool>(),
                   .extension = row["extension"].as<bool>(),
                   .input = row["input"].as<std::optional<std::string>>().value_or("v").at(0),
                   .element = oid(row, "element"),
                   .names_roles = row["names_roles"].as<bool>()};
    const auto labels = list<std::int64_t>(row, "labels");
    const auto names = list<std::string>(row, "label_names");
    for (std::size_t at = 0; at < labels.size(); ++at)
      type.labels.emplace(static_cast<Oid>(labels[at]), names[at]);
    facts.types.emplace(oid(row, "oid"), std::move(type));
  }
}

void learn_database(const ResultSet& rows, Facts& facts) {
  const Row row = rows.row(0);
  for (const std::int64_t id : list<std::int64_t>(row, "loose"))
    facts.loose_collations.insert(static_cast<Oid>(id));
  for (const std::int64_t id : list<std::int64_t>(row, "json_casts"))
    facts.json_casts.insert(static_cast<Oid>(id));
  facts.utf8 = row["utf8"].as<bool>();
  facts.reports_definitions = row["reports_definitions"].as<bool>();
}

// Questions of the library's own, in a transaction that has pinned search_path: asked at once.
class Questions {
 public:
  explicit Questions(Connection& connection) : connection_(connection) {}

  void add(const SqlStatement& sql, std::initializer_list<OwnedParameter> values,
           void (*learn)(const ResultSet&, Facts&)) {
    all_.push_back({sql, values, {}, learn});
    Question& question = all_.back();
    question.views.assign(question.values.begin(), question.values.end());
  }
  void ask(Facts& facts) {
    if (connection_.proxied()) {
      for (const Question& question : all_)
        question.learn(connection_.query(question.sql.text, question.views), facts);
      return;
    }
    std::vector<Connection::NamedCall> calls;
    calls.reserve(all_.size());
    for (const Question& question : all_) calls.push_back({question.sql, question.views});
    const std::vector<ResultSet> answers = connection_.query_named(calls);
    for (std::size_t at = 0; at < answers.size(); ++at) all_[at].learn(answers[at], facts);
  }

 private:
  struct Question {
    const SqlStatement& sql;
    std::vector<OwnedParameter> values;
    std::vector<ParameterView> views;
    void (*learn)(const ResultSet&, Facts&);
  };
  Connection& connection_;
  std::deque<Question> all_;
};

// Takes out what has been asked for, and notes the rest as asked for; false where there is none.
bool leave_new(Names& wanted, Names& asked) {
  bool some = false;
  const auto leave = [&some](std::set<Oid>& of, std::set<Oid>& known) {
    std::erase_if(of, [&known](Oid id) { return known.contains(id); });
    known.insert(of.begin(), of.end());
    some = some || !of.empty();
  };
  leave(wanted.relations, asked.relations);
  leave(wanted.functions, asked.functions);
  leave(wanted.types, asked.types);
  leave(wanted.operators, asked.operators);
  return some;
}

// Tree by tree, until nothing is named that is not known.
void learn_all(Connection& connection, Told& told) {
  Trees trees(told.tree);
  told.facts.plain_bytes = trees.plain_bytes();
  Names asked;
  Names wanted = trees.wanted(told.facts);
  wanted.types.insert(told.parameters.begin(), told.parameters.end());
  for (const auto& [name, id] : told.facts.promised_reads)
    if (id != 0) wanted.relations.insert(id);
  for (bool first = true; leave_new(wanted, asked) || first; first = false) {
    Questions questions(connection);
    if (first) questions.add(sql::analysed_database, {}, learn_database);
    if (!wanted.relations.empty())
      questions.add(sql::analysed_relations, {oids(wanted.relations)}, learn_relations);
    if (!wanted.functions.empty() || !wanted.operators.empty())
      questions.add(sql::analysed_functions, {oids(wanted.functions), oids(wanted.operators)},
                    learn_functions);
    if (!wanted.types.empty())
      questions.add(sql::analysed_types, {oids(wanted.types)}, learn_types);
    questions.ask(told.facts);
    trees.learn(told.facts);
    wanted = trees.wanted(told.facts);
  }
}

// The text as the body of a function that nobody ever calls. What is asked behind it is planned once, and too
// small to be compiled, whatever the estimates of its recursion say.
std::string as_function(std::string_view sql, const std::vector<std::string>& types) {
  std::string text = "create function pg_temp.";
  text.append(kName).append("(");
  for (const std::string& type : types) text.append(&type == types.data() ? "" : ", ").append(type);
  text.append(") returns void language sql begin atomic ").append(sql);
  text.append(
      "\n;select 1; end; set local search_path = pg_catalog, pg_temp; "
      "set local jit = off; set local plan_cache_mode = force_generic_plan; "
      "select p.prosqlbody::text from pg_proc p where p.pronamespace = pg_my_temp_schema() "
      "and p.proname = '");
  return text.append(kName).append("'");
}

std::string_view without_semicolons(std::string_view sql) {
  const auto last = sql.find_last_not_of("; \t\r\n\f\v");
  return last == std::string_view::npos ? sql : sql.substr(0, last + 1);
}

// A schema that an analysis makes goes with its transaction, and the server then forgets all plans of the
// session: two thirds of an analysis went into making them anew.
void make_temporary_schema(Connection& connection) {
  connection.run(
      "begin read write; set local synchronous_commit = off; "
      "create temporary table querymark_passing (); drop table pg_temp.querymark_passing; commit");
}

// Of a lock, a limit of time, something that the server lacks at this moment.
bool is_passing(const Error& failure) {
  constexpr std::array<std::string_view, 3> kClasses{"55", "57", "58"};
  return failure.retryable() ||
         std::ranges::find(kClasses, std::string_view(failure.native_code()).substr(0, 2)) !=
             kClasses.end();
}

// The transaction of an analysis, which is rolled back.
void begin(Connection& connection, const SettingList& settings) {
  const ResultSet found = connection.run(
      std::string(kBegin).append("; select pg_catalog.pg_my_temp_schema() operator(pg_catalog.<>) "
                                 "0::pg_catalog.oid as temporary"));
  if (!found.row(0)["temporary"].as<bool>()) {
    connection.run("rollback");
    try {
      make_temporary_schema(connection);
    } catch (const Error& failure) {  // somebody's event trigger has refused it
      if (failure.connection_lost()) throw;
      connection.run("rollback");
    }
    connection.run(kBegin);
  }
  if (!settings.names.empty())
    static_cast<void>(connection.query(
        sql::pin_session,
        {as_parameter(settings.names), as_parameter(settings.values), as_parameter(true)}));
}

// By the names of the session's search_path, as long as it holds.
void find_promised(Connection& connection, Facts& facts) {
  if (facts.promises.reads.empty()) return;
  const ResultSet rows =
      connection.query(sql::promised_reads.text, {as_parameter(facts.promises.reads)});
  for (const Row row : rows)
    facts.promised_reads.emplace(row["name"].as<std::string>(), oid(row, "oid"));
}

// The text is one that the server takes: what fails here is the analysis.
std::string tree_of(Connection& connection, const std::string& making) {
  try {
    const ResultSet tree = connection.run(making);
    return tree.row(0)[0].as<std::string>();
  } catch (const Error& failure) {
    if (failure.connection_lost() || is_passing(failure) || !refusal_of(failure).empty()) throw;
    throw MalformedTree{std::string("the server does not let it be analysed: ") + failure.what()};
  }
}

Told ask_prepared(Connection& connection, const AnalysedIn& in, std::string_view sql) {
  Told told;
  const ResultSet prepared = connection.query(sql::analysed_parameters.text, {as_parameter(kName)});
  if (prepared.empty()) throw Error("the session has lost a statement that was prepared in it");
  for (const std::int64_t type : list<std::int64_t>(prepared.row(0), "types"))
    told.parameters.push_back(static_cast<Oid>(type));
  const auto types = list<std::string>(prepared.row(0), "names");
  told.facts.promises = in.promises;
  told.facts.definitions_polled = in.polled;
  find_promised(connection, told.facts);
  if (types.size() > kMostArguments)
    throw MalformedTree{"it has more than 100 parameters: pass lists, as in `= any ($1)`"};
  told.tree = tree_of(connection, as_function(without_semicolons(sql), types));
  learn_all(connection, told);
  return told;
}

}  // namespace

Told ask_of_text(Connection& connection, const AnalysedIn& in, std::string_view sql) {
  bool prepared = false;
  const auto end = [&] {
    connection.run(prepared ? std::string("rollback; deallocate ").append(kName) : "rollback");
  };
  try {
    begin(connection, in.settings);
    const std::array statements{Connection::Text{kName, std::string(sql)}};
    connection.prepare(statements);  // one statement, or none
    prepared = true;
    Told told = ask_prepared(connection, in, sql);
    end();
    return told;
  } catch (...) {  // as it was, or given up; then rethrown
    try {
      end();
    } catch (const Error&) {
      connection.give_up();
    }
    throw;
  }
}

Analysis analyse_on(Connection& connection, const AnalysedIn& in, std::string_view sql) {
  try {
    static_cast<void>(require_reading(sql, connection.backslash()));
  } catch (const ConfigError& refusal) {
    return {.verdict = Verdict::refuse, .why = refusal.what()};
  }
  try {
    const Told told = ask_of_text(connection, in, sql);
    return analyse(told, sql, connection.backslash());
  } catch (const MalformedTree& malformed) {
    return {.verdict = Verdict::refuse, .why = malformed.what};
  } catch (const Error& failure) {
    std::string why = refusal_of(failure);
    if (failure.connection_lost() || why.empty()) throw;
    return {.verdict = Verdict::refuse, .why = std::move(why)};
  }
}

std::string refusal_of(const Error& failure) {
  if (failure.native_code() == "42501")
    return "the role may not make temporary functions, by which a text is analysed: grant "
           "temporary on the database to it";
  if (failure.native_code() == "25006") return "a standby can't analyse: it needs the primary";
  return {};
}

}  // namespace querymark::postgres

#include "trigger_text.hpp"

#include "querymark/key/tracked.hpp"

namespace querymark::postgres {
namespace {

// More values than this in one statement, and the whole relation counts as changed.
constexpr int kMostValues = 256;

// The rows that a change is about, by the names of the transition tables, or of the records.
std::vector<std::string_view> sides(Change change, Firing firing) {
  const std::string_view before = firing == Firing::row ? "old" : "qm_old";
  const std::string_view after = firing == Firing::row ? "new" : "qm_new";
  if (change == Change::insert) return {after};
  if (change == Change::remove) return {before};
  return {before, after};
}

// A column's value as it is written into an intent.
std::string escaped(std::string value) {
  for (const char* pair : {"'%', '%25'", "':', '%3A'", "',', '%2C'", "'+', '%2B'"})
    value = "replace(" + value + ", " + pair + ")";
  return value;
}

// What a type's own output function writes. Not by a cast to text: a table's owner may make one for a type of theirs,
// and a trigger would run it with the rights of whoever tracks.
std::string written(const std::string& column) {
  return "case when " + column + " is null then null else concat(" + column + ") collate \"C\" end";
}

// That of a boolean as a word, as a cast writes it. A domain is of its base type's category.
std::string spelled_value(const std::string& text, const std::string& type) {
  return "case when " + text +
         " in ('t', 'f') and 'B' = (select t.typcategory from pg_type t where t.oid = " + type +
         ") then case " + text + " when 't' then 'true' else 'false' end else " + text + " end";
}

// Rows of `x`: the values of a route in all rows that have changed, once each; null in place of those which are too
// long when they are escaped, so that who counts the rows counts these, too.
//
// All rows are looked at for what is distinct, and only that is spelled and escaped: `offset 0` keeps the planner from
// writing the text of a value into condition and result alike. Columns are read as text of the collation "C" whatever
// they are: their type and collation may be changed while the trigger stays, and must not fail a user's write.
std::string values_of(const std::vector<std::string>& route, Change change, Firing firing) {
  const std::string most = " <= " + std::to_string(kMaxRouteValue);
  std::string names, short_enough, texts, fit, joined;
  for (std::size_t at = 0; at < route.size(); ++at) {
    const std::string number = std::to_string(at + 1);
    const std::string name = "c" + number;
    const std::string_view comma = at == 0 ? "" : ", ";
    const std::string_view both = at == 0 ? "" : " and ";
    names.append(comma).append("u.").append(name).append(", u.y").append(number);
    short_enough.append(both).append("octet_length(u.").append(name).append(")").append(most);
    texts.append(comma).append(escaped(spelled_value("e." + name, "e.y" + number)));
    texts.append(" as ").append(name);
    fit.append(both).append("octet_length(f.").append(name).append(")").append(most);
    joined.append(at == 0 ? "f." : " || '+' || f.").append(name);
  }
  std::string rows;
  for (const std::string_view side : sides(change, firing)) {
    rows.append(rows.empty() ? "select " : "\n                union all select ");
    for (std::size_t at = 0; at < route.size(); ++at) {
      std::string column(firing == Firing::row ? side : "r");
      column.append(".").append(quoted_name(route[at]));
      const std::string number = std::to_string(at + 1);
      rows.append(at == 0 ? "" : ", ").append(written(column)).append(" as c").append(number);
      rows.append(", pg_typeof(").append(column).append(") as y").append(number);
    }
    if (firing == Firing::statement) rows.append(" from ").append(side).append(" r");
  }
  return "select case when " + fit + " then " + joined + " end as x\n        from (select " +
         texts + "\n          from (select distinct " + names + "\n            from (" + rows +
         " offset 0) u\n           where " + short_enough + " limit " +
         std::to_string(kMostValues + 1) + ") e) f";
}

std::string insert_rows(const TrackedHead& head, Change change, Firing firing) {
  std::string text = "  insert into querymark.log (namespace, kind, target)\n";
  const std::string relation = quoted_text(head.relation);
  if (head.routes.empty())
    return text.append("  values ('*', 'rows', ").append(relation).append(");\n");
  text.append("  select '*', case when r.fits then 'rows' else 'relation' end, ").append(relation);
  text.append(" || case when r.fits then coalesce(r.v, '') else '' end\n    from (");
  for (const auto& route : head.routes) {
    const std::string prefix = ":" + route_name(route) + ":";
    const std::size_t room = kMaxRowsText - head.relation.size() - prefix.size();
    text.append(&route == head.routes.data() ? "" : "\n          union all ");
    text.append("select count(*) <= ").append(std::to_string(kMostValues));
    text.append(" and coalesce(octet_length(string_agg(d.x, ',')), 0) <= ")
        .append(std::to_string(room));
    text.append(" as fits, ")
        .append(quoted_text(prefix))
        .append(" || string_agg(d.x, ',') as v\n    from (");
    text.append(values_of(route, change, firing)).append(") d");
  }
  return text.append(") r;\n");
}

std::string insert_relation(const TrackedHead& head) {
  return "  insert into querymark.log (namespace, kind, target)\n  values ('*', 'relation', " +
         quoted_text(head.relation) + ");\n";
}

// Of MERGE into a table with partitions the server (15.18) tells the triggers of updates wrong rows: one that moves to
// another partition is missing, and the row that was inserted last stands there for one that was updated. So all
// rows count as changed, unless the statement is seen to be no MERGE: by what the client has sent, which may EXECUTE
// one, and by the texts that functions run. Those of functions in SQL are not shown, and which functions are is told
// in the session's language. Too long a text is not looked through.
std::string insert_relation_of_merge(const TrackedHead& head) {
  const std::string words = quoted_text("\\m(merge|execute)\\M");
  std::string text =
      "  get diagnostics qm_context = pg_context;\n"
      "  if (case when octet_length(current_query()) + octet_length(qm_context) <= 1000000 then\n"
      "       current_query() collate \"C\" ~* " +
      words + "\n       or strpos(qm_context, chr(10)) > 0\n          and (";
  text.append("replace(qm_context, ' at EXECUTE', '') collate \"C\" ~* ").append(words);
  text.append("\n               or strpos(qm_context, 'SQL function \"') > 0\n               or ");
  text.append("current_setting('lc_messages') collate \"C\" !~* '^(c|posix|en)($|[._])')\n");
  text.append("     else true end) then\n  ").append(insert_relation(head));
  return text.append("    return null;\n  end if;\n");
}

}  // namespace

std::string_view word(Change change) noexcept {
  switch (change) {
    case Change::insert:
      return "insert";
    case Change::update:
      return "update";
    case Change::remove:
      return "delete";
    case Change::truncate:
      break;
  }
  return "truncate";
}

std::string trigger_name(Change change) { return std::string("querymark_").append(word(change)); }

std::string quoted_name(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) quoted.append(c == '"' ? 2 : 1, c);
  return quoted += '"';
}

std::string quoted_text(std::string_view text) {
  const bool escapes = text.find('\\') != std::string_view::npos;
  std::string quoted = escapes ? "E'" : "'";
  for (const char c : text) quoted.append(c == '\'' || c == '\\' ? 2 : 1, c);
  return quoted += '\'';
}

std::string report_source(const TrackedHead& head, Change change, Firing firing, bool parts) {
  const bool merges = parts && change == Change::update && firing == Firing::statement;
  std::string text = "\n" + head.text() + "\n#variable_conflict use_column\n";
  text.append(merges ? "declare qm_context text;\nbegin\n" : "begin\n");
  if (change == Change::truncate) {
    text.append(insert_relation(head));
  } else {
    if (merges) text.append(insert_relation_of_merge(head));
    if (firing == Firing::statement)
      text.append("  if not exists (select from ")
          .append(sides(change, firing)[0])
          .append(") then return null; end if;\n");
    text.append(insert_rows(head, change, firing));
  }
  return text.append("  return null;\nend ");
}

std::string create_function(std::string_view name, std::string_view source) {
  std::string text = "create function querymark.";
  text.append(quoted_name(name)).append("() returns trigger language plpgsql security definer");
  text.append(" set search_path = pg_catalog, pg_temp as ");
  return text.append(quoted_text(source));
}

std::string create_trigger(std::string_view table, std::string_view function, Change change,
                           Firing firing) {
  // Where event triggers have seen the parent's, it is there already.
  std::string text = "create or replace trigger " + trigger_name(change);
  text.append(" after ").append(word(change)).append(" on ").append(table);
  if (firing == Firing::statement && change != Change::truncate) {
    text.append(" referencing");
    if (change != Change::insert) text.append(" old table as qm_old");
    if (change != Change::remove) text.append(" new table as qm_new");
  }
  text.append(firing == Firing::statement ? " for each statement" : " for each row");
  return text.append(" execute function querymark.").append(quoted_name(function)).append("()");
}

}  // namespace querymark::postgres

#pragma once

#include <string>
#include <vector>

#include "property/keyed_schema.hpp"

namespace querymark::test {

/// The tables of KeyedTables in PostgreSQL, with partitions and children, references and actions drawn by lot,
/// and SQL for them: writes, and triggers and rules that write to any of them, rewrite rows or fail. Some of
/// it the server refuses.
class ServerSchema : private KeyedTables {
 public:
  using KeyedTables::kTables;

  explicit ServerSchema(Choices& choices) : KeyedTables(choices) {}

  [[nodiscard]] std::vector<std::string> make() {
    std::vector<std::string> statements;
    for (const std::string name : kTables) add_table(statements, name);
    for (const std::string name : kTables)
      if (!choices_.one_in(3))
        statements.push_back("alter table " + name + " add foreign key (p) references " + table() +
                             " (id)" + action());
    statements.emplace_back("create view seen as select * from a");
    statements.emplace_back("create view above as select * from b where v > 2 with check option");
    return statements;
  }

  /// One statement, or several in a block of their own.
  [[nodiscard]] std::string write() {
    switch (choices_.below(12)) {
      case 0:
        return "do $$ begin " + plain() + "; begin " + plain() + "; " + plain() +
               "; exception when others then " + plain() + "; end; end $$";
      case 1:
        return "with x as (" + returning() + "), y as (" + returning() + ") " + "insert into " +
               place() + " select distinct x.id + 6, y.k, x.p, y.v from x, y";
      case 2:
        return "with x as (" + returning() + "), y as (" + returning() +
               ") select count(*) from x, y";
      default:
        return plain();
    }
  }

  [[nodiscard]] std::vector<std::string> trigger() {
    const std::string number_of = std::to_string(++triggers_);
    const std::string event =
        one("insert", "update", "delete", "insert or update", "update of id", "update or delete");
    const bool of_view = choices_.one_in(8) && event.find(" of ") == std::string::npos;
    const bool row = of_view || !choices_.one_in(3);
    const bool before = !of_view && choices_.one_in(2);
    std::string body = "create function f" + number_of +
                       "() returns trigger language plpgsql as $f$ begin "
                       "if pg_trigger_depth() < 4 then ";
    for (std::size_t i = 0; i < 1 + choices_.below(2); ++i) body += step(row && before) + "; ";
    body += "end if; " +
            std::string(row && before && choices_.one_in(8) ? "return null"
                        : row ? "if tg_op = 'DELETE' then return old; end if; return new"
                              : "return null") +
            "; end $f$";
    // Their names come before ours, or behind them.
    std::string sql = "create " + one("trigger a", "trigger t") + number_of + ' ' +
                      (of_view  ? "instead of"
                       : before ? "before"
                                : "after") +
                      ' ' + event + " on " + (of_view ? std::string("seen") : place()) +
                      (row ? " for each row" : " for each statement");
    if (row && choices_.one_in(4) && event.find("insert") == std::string::npos)
      sql += " when (old.id > " + number() + ")";
    return {body, sql + " execute function f" + number_of + "()"};
  }

  [[nodiscard]] std::string rule() {
    const std::string event = one("insert", "update", "delete");
    const std::string row = event == "insert" ? "new" : "old";
    return "create rule r" + std::to_string(++triggers_) + " as on " + event + " to " +
           (choices_.one_in(3) ? std::string("seen") : table()) +
           (choices_.one_in(2) ? " where " + row + ".id > " + number() : std::string()) + " do " +
           (choices_.one_in(4) ? std::string("instead nothing")
                               : one("also ", "also ", "instead ") + "update " + table() +
                                     " set v = v + 1 where id = " + row + ".k");
  }

 private:
  enum class Made : std::uint8_t { plain, by_range, by_list, children };

  void add_table(std::vector<std::string>& statements, const std::string& name) {
    std::string columns = " (id int, k int, p int";
    if (choices_.one_in(2)) columns += " default " + number();
    columns += ", v int";
    if (choices_.one_in(4)) columns += " not null default 3";
    if (choices_.one_in(5)) columns += " check (v < 9)";
    const bool keyed = !choices_.one_in(6);
    const std::string key = keyed ? ", primary key (id)" : "";
    const auto part = [&](const std::string& of, const std::string& more) {
      const std::string member = name + std::to_string(places_.size());
      statements.push_back("create table " + member + ' ' + of + ' ' + more);
      places_.push_back(member);
      return member;
    };
    places_.push_back(name);
    switch (static_cast<Made>(choices_.below(4))) {
      case Made::plain:
        statements.push_back("create table " + name + columns + key +
                             (choices_.one_in(3) ? ", unique (k)" : "") + ")");
        return;
      case Made::by_range: {
        statements.push_back("create table " + name + columns + key + ") partition by range (id)");
        part("partition of " + name, "for values from (minvalue) to (2)");
        const std::string below =
            part("partition of " + name, "for values from (2) to (5) partition by list (id)");
        part("partition of " + below, "for values in (2, 4)");
        if (choices_.one_in(2)) part("partition of " + below, "default");
        if (!choices_.one_in(3)) part("partition of " + name, "default");
        return;
      }
      case Made::by_list: {
        statements.push_back("create table " + name + columns + ") partition by list (k)");
        part("partition of " + name, "for values in (0, 1, 2)");
        // One whose columns lie otherwise.
        const std::string odd = name + std::to_string(places_.size());
        statements.push_back("create table " + odd + " (gone int, v int, k int, p int, id int)");
        statements.push_back("alter table " + odd + " drop gone");
        statements.push_back("alter table " + name + " attach partition " + odd + " default");
        places_.push_back(odd);
        return;
      }
      case Made::children: {
        statements.push_back("create table " + name + columns + key + ")");
        const std::string child =
            part("(extra int, v int, id int primary key)", "inherits (" + name + ")");
        if (choices_.one_in(2)) part("()", "inherits (" + child + ")");
        return;
      }
    }
  }

  // A table, a partition, a child: mostly a table.
  std::string place() {
    return choices_.one_in(4) ? places_[choices_.below(places_.size())] : table();
  }
  std::string target() { return choices_.one_in(10) ? one("seen", "above") : place(); }
  std::string given() { return " (id, k, p, v) values " + values(); }
  std::string change() {
    switch (choices_.below(5)) {
      case 0:
        return "id = id + 1, v = v + 1";
      case 1:
        return "id = 6 - id";
      case 2:
        return "k = k + 1";
      default:
        return one("id", "k", "p", "p", "v", "v") + " = " + number();
    }
  }
  // Not what WITH or a block can't hold.
  std::string returning() {
    switch (choices_.below(3)) {
      case 0:
        return "insert into " + place() + given() + " returning id, k, p, v";
      case 1:
        return "update " + place() + " set " + change() + where() + " returning id, k, p, v";
      default:
        return "delete from " + place() + where() + " returning id, k, p, v";
    }
  }
  std::string plain() {
    switch (choices_.below(12)) {
      case 0:
        return "insert into " + target() + given();
      case 1:
        return "insert into " + target() + given() + ", " + values() + ", " + values();
      case 2:
        return "insert into " + place() + given() +
               one(" on conflict do nothing", " on conflict (id) do nothing");
      case 3:
        return "insert into " + place() + given() + " on conflict (id) do update set " +
               one("k", "p", "v", "id") + " = " + number();
      case 4:
      case 5:
        return "update " + target() + " set " + change() + where();
      case 6:
        return "update " + place() + " t set v = t.v + 1, k = o.k from " + table() +
               " o where o.id = t.p";
      case 7:
        return "delete from " + target() + where();
      case 8:
        return "delete from " + place() + " t using " + table() + " o where o.p = t.id";
      case 9:
        return "insert into " + target() + " (id, k, p, v) select id + " + number() + ", k + " +
               number() + ", p, v from " + table();
      case 10:
        return "merge into " + place() + " t using " + table() + " o on t.id = o.k" +
               one(" when matched and t.v > 3 then delete", "") + " when matched then update set " +
               change_of_merged() +
               " when not matched then insert (id, k, p, v) values (o.k, o.id, o.p, 1)";
      default:
        if (choices_.one_in(2)) return "truncate " + place() + one("", "", " cascade");
        return "copy " + place() + " (id, k, p, v) from program 'echo " + number() + ",,2," +
               number() + "' (format csv)";
    }
  }
  std::string change_of_merged() {
    return one("v = t.v + 1", "k = o.id", "id = t.id + 1", "id = o.id, p = null");
  }
  std::string step(bool before) {
    if (before && choices_.one_in(2))
      return "if tg_op <> 'DELETE' then new." + one("id", "k", "v", "v") + " := " + number() +
             "; end if";
    switch (choices_.below(8)) {
      case 0:
        return "raise exception 'f'";
      case 1:
        return "if (select count(*) from " + table() + ") > 4 then raise exception 'g'; end if";
      case 2:
        return "begin " + plain() + "; raise exception 'h'; exception when others then null; end";
      default:
        return plain();
    }
  }

  int triggers_ = 0;
  std::vector<std::string> places_;
};

}  // namespace querymark::test

#pragma once

#include <array>
#include <string>

#include "property/random.hpp"

namespace querymark::test {

/// Three tables that refer to each other, and what statements on them are made of.
class KeyedTables {
 public:
  static constexpr std::array<const char*, 3> kTables{"a", "b", "c"};

 protected:
  explicit KeyedTables(Choices& choices) : choices_(choices) {}
  ~KeyedTables() = default;

  template <class... Texts>
  std::string one(Texts... texts) {
    const char* const all[] = {texts...};
    return all[choices_.below(sizeof...(texts))];
  }
  std::string table() { return kTables[choices_.below(kTables.size())]; }
  std::string number() { return std::to_string(choices_.below(6)); }
  std::string action() {
    return one("", " on delete cascade", " on update cascade",
               " on delete set null on update cascade", " on delete cascade on update set null",
               " on delete set default on update set default",
               " on delete cascade on update cascade", " on delete restrict") +
           one("", "", "", "", " deferrable initially deferred");
  }
  std::string where() {
    if (choices_.one_in(5)) return "";
    return " where " + one("id", "k", "p") + " = " + number();
  }
  std::string values() {
    return "(" + number() + ", " + number() + ", " + number() + ", " + number() + ")";
  }

  Choices& choices_;
};

/// Such tables in SQLite, with keys, actions and conflict clauses drawn by lot, and SQL for them: writes, and
/// triggers that write to any of them or fail in each way.
class KeyedSchema : private KeyedTables {
 public:
  using KeyedTables::kTables;

  explicit KeyedSchema(Choices& choices) : KeyedTables(choices) {}

  [[nodiscard]] std::string make() {
    std::string sql;
    for (const char* name : kTables) {
      const bool rowid = choices_.one_in(2);
      sql += std::string("create table ") + name + " (id " +
             (rowid ? "integer primary key" : one("int primary key", "int not null primary key")) +
             on_conflict() + ", k int";
      if (!choices_.one_in(3)) sql += " unique" + on_conflict();
      sql += ", p int";
      if (!choices_.one_in(3)) sql += " default " + number() + " references " + table() + action();
      sql += ", v int";
      if (choices_.one_in(4)) sql += " not null default 3";
      if (choices_.one_in(5)) sql += " check (v < 9)";
      sql += !rowid && choices_.one_in(2) ? ") without rowid;\n" : ");\n";
    }
    return sql + "create view seen as select * from a;\n";
  }

  [[nodiscard]] std::string write() { return write_to(choices_.one_in(8) ? "seen" : table()); }

  [[nodiscard]] std::string trigger() {
    const std::string event = one("insert", "update", "delete");
    const bool of_view = choices_.one_in(8);
    std::string sql = "create trigger t" + std::to_string(++triggers_) + ' ' +
                      (of_view ? "instead of" : one("before", "after", "after")) + ' ' + event +
                      " on " + (of_view ? "seen" : table());
    if (choices_.one_in(3))
      sql += std::string(" when ") + (event == "insert" ? "new" : "old") + ".id > " + number();
    sql += " begin ";
    for (std::size_t i = 0; i < 1 + choices_.below(2); ++i) sql += step() + "; ";
    return sql + "end";
  }

 private:
  std::string on_conflict() {
    if (!choices_.one_in(4)) return "";
    return " on conflict " + one("fail", "replace", "ignore", "abort");
  }

  std::string write_to(const std::string& name) {
    const std::string conflict =
        one("", "", "", " or fail", " or ignore", " or replace", " or abort");
    switch (choices_.below(name == "seen" ? 6 : 7)) {
      case 0:
        return "insert" + conflict + " into " + name + " values " + values();
      case 1:
        return "replace into " + name + " values " + values();
      case 2:
        return "update" + conflict + ' ' + name + " set " + one("id", "k", "p", "p", "v", "v") +
               " = " + number() + where();
      case 3:
        return "update" + conflict + ' ' + name + " set id = id + 1, v = v + 1" + where();
      case 4:
        return "delete from " + name + where();
      case 5:
        return "insert" + conflict + " into " + name + " select id + " + number() + ", k + " +
               number() + ", p, v from " + table();
      default:
        return "insert into " + name + " values " + values() + " on conflict do update set " +
               one("k", "p", "v", "id") + " = " + number();
    }
  }

  std::string step() {
    switch (choices_.below(8)) {
      case 0:
        return "select raise(fail, 'f')";
      case 1:
        return "select raise(ignore)";
      case 2:
        return "select raise(abort, 'a')";
      case 3:
        return "select case when (select count(*) from " + table() + ") > " + number() +
               " then raise(fail, 'g') end";
      default:
        return write_to(choices_.one_in(6) ? "seen" : table());
    }
  }

  int triggers_ = 0;
};

}  // namespace querymark::test

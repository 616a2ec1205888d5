#pragma once

#include <memory>
#include <string>
#include <vector>

#include "prey.hpp"
#include "property/random.hpp"
#include "support/shop.hpp"

namespace querymark::test {

/// A SQLite file whose tables are tracked, what strangers do to it, and what is asked of it.
class SqlitePrey {
 public:
  static constexpr const char* kName = "SQLite";

  SqlitePrey() {
    shop_.execute(R"sql(
      create table item (id integer primary key, owner integer not null, amount integer not null default 0, note text);
      create table part (id integer primary key,
                         item integer references item on delete cascade on update cascade);
      create table word (word text primary key, n integer not null unique) without rowid;
      create view cheap as select id, amount from item where amount < 4;
    )sql");
    shop_.execute(kRefill);
  }
  void track() const {
    static_cast<void>(
        sqlite::track(shop_.path(), {.tables = {"item"}, .routes = {{"id"}, {"owner"}}}));
    static_cast<void>(
        sqlite::track(shop_.path(), {.tables = {"part"}, .routes = {{"id"}, {"item"}}}));
    static_cast<void>(
        sqlite::track(shop_.path(), {.tables = {"word"}, .routes = {{"word"}, {"n"}}}));
  }
  [[nodiscard]] std::unique_ptr<Process> open() const {
    sqlite::Options options = Process::quick();
    options.tags = Tags::automatic;
    return std::make_unique<Process>(shop_, options);
  }

  [[nodiscard]] const std::vector<std::string>& questions() const {
    static const std::vector<std::string> all{
        "select * from item where id = ?",
        "select id, amount from item where owner = ? order by id",
        "select count(*), sum(amount) from item where amount > ?",
        "select p.id, i.amount from part p join item i on i.id = p.item where i.id = ? order by 1",
        "select i.id, p.id from item i left join part p on p.item = i.id where i.id = ? order by 2",
        "select id, item from part where item = ? order by id",
        "select id, item from part where id = ?",
        "select word from word where n = ?",
        "select n from word where word = 'w' || ? order by n",
        "select n from word where word = 'w2' and n <> ?",
        "select id, amount from cheap where id = ?",
        "select count(*) from cheap where id <> ?",
        "select id from item where id = ? and exists (select 1 from part where item = item.id)"};
    return all;
  }

  Act act(Choices& choices) {
    if (choices.one_in(12)) return attempt("track", [&] { track(); });
    if (choices.one_in(10)) return run(kRefill);
    return run(drawn(one_of(choices.one_in(6) ? definitions() : writes(), choices), choices));
  }

 private:
  static constexpr const char* kRefill =
      "with recursive g (n) as (select 1 union all select n + 1 from g where n < 10) "
      "insert or ignore into item (id, owner) select n, n % 5 from g;"
      "with recursive g (n) as (select 1 union all select n + 1 from g where n < 10) "
      "insert or ignore into part select n, n % 7 + 1 from g;"
      "with recursive g (n) as (select 1 union all select n + 1 from g where n < 10) "
      "insert or ignore into word select 'w' || n, n from g";

  // Cascades happen where somebody asks for them.
  Act run(const std::string& sql) const {
    return attempt(sql, [&] { shop_.execute(sql); });
  }

  static const std::vector<std::string>& writes() {
    static const std::vector<std::string> all{
        "update item set amount = amount + {k} where id = {n}",
        "update item set amount = {k}, owner = {k} where id in ({n}, {m})",
        "update item set owner = {k} where owner = {k}",
        "update item set id = {m} where id = {n}",
        "pragma foreign_keys = on; update item set id = {m} where id = {n}",
        "update or replace item set id = {m} where id = {n}",
        "pragma foreign_keys = on; update or replace item set id = {m} where id = {n}",
        "replace into item (id, owner, amount) values ({n}, {k}, {k})",
        "insert or replace into item (id, owner) select id, {k} from item where id in ({n}, {m})",
        "insert into item (id, owner, amount) values ({n}, {k}, {k}) on conflict (id) do update "
        "set amount = excluded.amount",
        "insert into item (id, owner) values ({n}, {k}) on conflict do nothing",
        "delete from item where id = {n}",
        "pragma foreign_keys = on; delete from item where id = {n}",
        "delete from item where owner = {k} returning id",
        "delete from item",
        "update item set amount = {k}",
        "begin; update item set amount = 9; delete from part; rollback",
        "begin; savepoint a; delete from item where id = {n}; rollback to a; update item set "
        "amount = 3 where id = {m}; commit",
        "begin; update item set amount = {k} where id = {n}; update part set item = {n} where id = "
        "{m}; commit",
        "with recursive g (n) as (select 100 union all select n + 1 from g where n < 500) "
        "insert or ignore into item (id, owner) select n, n % 9 from g",
        "delete from item where id >= 100",
        "update part set item = {n} where id = {m}",
        "update part set item = null where item = {n}",
        "delete from part where id = {n}",
        "update part set id = {m} where id = {n}",
        "replace into part values ({n}, {m})",
        "replace into word values ('w{n}', {m})",
        "update or replace word set n = {m} where word = 'w{n}'",
        "update or replace word set word = 'w{m}' where n = {n}",
        "update word set n = -n where n > {n}; update word set n = -n where n < 0",
        "insert into word values ('w{n}', {m}) on conflict (n) do update set word = excluded.word "
        "|| 'x'",
        "delete from word where n = {n}",
        "pragma recursive_triggers = on; replace into word values ('w{n}', {m})"};
    return all;
  }
  static const std::vector<std::string>& definitions() {
    static const std::vector<std::string> all{
        "drop view cheap; create view cheap as select id, amount from item where amount < {k}",
        "drop view if exists cheap",
        "create view cheap as select id, {k} as amount from item where owner = {k}",
        "alter table item add column extra integer default {k}",
        "alter table item drop column extra",
        "alter table item rename column amount to quantity",
        "alter table item rename column quantity to amount",
        "alter table item rename column quantity to amount",
        "begin; create table other (id integer primary key, owner integer not null, amount integer "
        "not null default {k}, "
        "note text); insert into other (id, owner) select id, {k} from item; drop table item; "
        "alter table other rename to item; commit",
        "alter table part rename to parts",
        "alter table parts rename to part",
        "alter table parts rename to part",
        "drop trigger querymark_update_item",
        "drop trigger querymark_delete_part",
        "create trigger more after update on item begin update word set n = new.amount where word "
        "= 'w' || new.id; end",
        "drop trigger more",
        "create unique index one on item (owner, id)",
        "create unique index two on item (note)",
        "drop index two",
        "create index three on part (item)",
        "drop index if exists three; drop index if exists one",
        "vacuum",
        "reindex",
        "analyze"};
    return all;
  }

  Shop shop_;
};

}  // namespace querymark::test

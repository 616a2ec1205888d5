#pragma once

#include <memory>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <string>
#include <vector>

#include "prey.hpp"
#include "property/random.hpp"
#include "querymark/postgres/track.hpp"
#include "support/await.hpp"
#include "support/pg_shop.hpp"

namespace querymark::test {

/// A PostgreSQL database whose tables are tracked, what strangers do to it, and what is asked of it by a user
/// whom policies bind. One table is filled by a subscription.
class PostgresPrey {
 public:
  static constexpr const char* kName = "PostgreSQL";

  PostgresPrey() {
    shop_.execute(R"sql(
      create table item (id int primary key, owner int not null, amount int not null default 0, note text);
      create table part (id int primary key, item int references item on delete cascade on update cascade,
                         other int references item on delete set null, twice int generated always as (item * 2) stored);
      create table sale (id int, region int, amount int not null default 0, primary key (id, region)) partition by list (region);
      create table sale_1 partition of sale for values in (1);
      create table sale_2 partition of sale for values in (2);
      create table sale_3 partition of sale for values in (3, 4) partition by list (region);
      create table sale_3a partition of sale_3 for values in (3);
      create table sale_3b partition of sale_3 default;
      create table base (id int primary key, v int not null default 0);
      create table derived (more int) inherits (base);
      create table secret (id int primary key, owner int not null, v int not null default 0);
      create table feed (id int primary key, v int not null);
      create table beat (n bigint primary key);
      create view cheap as select id, amount from item where amount < 4;
      create materialized view totals as select owner, sum(amount) as amount from item group by owner;
      create unique index on totals (owner);
      create function doubled(x int) returns bigint language sql stable
        begin atomic select sum(amount) * 2 from item where owner = x; end;
      create function follow() returns trigger language plpgsql as
        $$ begin update base set v = v + 1 where id = new.id; return new; end $$;
      create trigger follow before update on secret for each row execute function follow();
      create role hunter login; grant querymark_subscriber, querymark_writer to hunter;
      alter default privileges grant select on tables to hunter;
      grant select on all tables in schema public to hunter;
    )sql");
    shop_.execute(kRefill);
    subscribe();
  }
  void track() const {
    settle();
    const auto one = [&](const char* table, std::vector<std::vector<std::string>> routes) {
      static_cast<void>(
          postgres::track(shop_.url(), {.tables = {table}, .routes = std::move(routes)}));
    };
    one("public.item", {{"id"}, {"owner"}});
    one("public.part", {{"id"}, {"item"}, {"twice"}});
    one("public.sale", {{"id"}, {"region"}});
    for (const char* table : {"public.base", "public.secret", "public.feed"}) one(table, {{"id"}});
  }
  [[nodiscard]] std::unique_ptr<PgProcess> open() const {
    postgres::Options options = PgProcess::quick();
    options.tags = Tags::automatic;
    return std::make_unique<PgProcess>(server_.url(shop_.name(), "hunter"), options);
  }

  [[nodiscard]] const std::vector<std::string>& questions() const {
    static const std::vector<std::string> all{
        "select * from item where id = $1::int",
        "select id, amount from item where owner = $1::int order by id",
        "select count(*), sum(amount) from item where amount > $1",
        "select p.id, i.amount from part p join item i on i.id = p.item where i.id = $1::int order "
        "by 1",
        "select i.id, p.id from item i left join part p on p.item = i.id where i.id = $1::int "
        "order by 2",
        "select id, item, other from part where item = $1::int order by id",
        "select id, item, other from part where twice = $1::int order by id",
        "select id, region, amount from sale where id = $1::int order by 2",
        "select count(*), sum(amount) from sale where region = $1::int",
        "select id, amount from sale_2 where id = $1::int",
        "select id, v from base where id = $1::int order by 2",
        "select count(*), sum(v) from only base where v >= $1",
        "select id, amount from cheap where id = $1::int",
        "select amount from totals where owner = $1::int",
        "select doubled($1::int)",
        "select owner, v from secret where id = $1::int",
        "select count(*), sum(v) from secret where v >= $1",
        "select v from feed where id = $1::int",
        "select count(*), sum(v) from feed where v >= $1",
        "select id from item i where id = $1::int and exists (select from sale s where s.id = "
        "i.id)"};
    return all;
  }

  Act act(Choices& choices) {
    // Not at once: in between it is asked what cannot be seen yet.
    if (prepared_ && choices.one_in(3)) {
      prepared_ = false;
      return run(choices.one_in(3) ? "rollback prepared 'hunt'" : "commit prepared 'hunt'");
    }
    if (choices.one_in(12)) return attempt("track", [&] { track(); });
    if (choices.one_in(10)) return run(kRefill);
    if (choices.one_in(10)) return apply(drawn(one_of(applied(), choices), choices));
    Act did = run(drawn(one_of(choices.one_in(6) ? definitions() : writes(), choices), choices));
    if (did.failure.empty() && did.what.ends_with("prepare transaction 'hunt'")) prepared_ = true;
    return did;
  }

 private:
  static constexpr const char* kRefill = R"sql(
insert into item (id, owner) select n, n % 5 from generate_series(1, 10) n on conflict do nothing;
insert into part select n, n % 7 + 1, n from generate_series(1, 10) n on conflict do nothing;
insert into sale select n, r, n from generate_series(1, 4) n, generate_series(1, 4) r on conflict do nothing;
insert into base select n from generate_series(1, 6) n on conflict do nothing;
insert into secret select n, n % 4 from generate_series(1, 6) n on conflict do nothing)sql";

  // A plain session, which waits for nobody for long.
  void execute(const std::string& url, const std::string& sql) const {
    pqxx::connection connection(url);
    pqxx::nontransaction plain(connection);
    plain.exec("set lock_timeout = '300ms'; set client_min_messages = error");
    plain.exec(sql);
  }
  Act run(const std::string& sql) const {
    return attempt(sql, [&] { execute(shop_.url(), sql); });
  }
  // Nobody's prepared transaction holds locks.
  void settle() const {
    try {
      execute(shop_.url(), "rollback prepared 'hunt'");
    } catch (const std::exception&) {  // there was none
    }
  }

  // The feed of a database elsewhere. A subscription within a server needs its slot beforehand.
  void subscribe() const {
    execute(source_, R"sql(
      create table feed (id int primary key, v int not null); create table beat (n bigint primary key);
      insert into beat values (0); create publication feed for table feed, beat)sql");
    execute(source_, "select pg_create_logical_replication_slot('feed', 'pgoutput')");
    shop_.execute("insert into beat values (0)");
    shop_.execute(
        "create subscription feed connection '" + source_ +
        "' publication feed with (create_slot = false, slot_name = feed, copy_data = false)");
  }
  // Returns once it has arrived.
  Act apply(const std::string& sql) const {
    return attempt("elsewhere: " + sql, [&] {
      execute(source_, sql + "; update beat set n = n + 1");
      pqxx::connection there(source_);
      const std::string beat = pqxx::nontransaction(there).exec("select n from beat")[0][0].c_str();
      await("the feed has arrived", std::chrono::seconds(60),
            [&] { return shop_.text("select n from beat") == beat; });
    });
  }

  static const std::vector<std::string>& applied() {
    static const std::vector<std::string> all{
        "insert into feed values ({n}, {k}) on conflict (id) do update set v = excluded.v",
        "insert into feed select n, {k} from generate_series(1, 5) n on conflict do nothing",
        "update feed set v = v + {k} where id = {n}",
        "update feed set v = {k}",
        "delete from feed where id = {n}",
        "update feed set id = {m} where id = {n} and not exists (select from feed where id = {m})",
        "truncate feed",
        "begin; update feed set v = 9; delete from feed where id = 1; rollback"};
    return all;
  }
  static const std::vector<std::string>& writes() {
    static const std::vector<std::string> all{
        "update item set amount = amount + {k} where id = {n}",
        "update item set amount = {k}, owner = {k} where id in ({n}, {m})",
        "update item set owner = {k} where owner = {k}",
        "update item set id = {m} where id = {n}",
        "delete from item where id = {n}",
        "insert into item (id, owner, amount) values ({n}, {k}, {k}) on conflict (id) do update "
        "set amount = excluded.amount",
        "insert into item (id, owner) values ({n}, {k}) on conflict do nothing",
        "delete from item where id = {n}; copy item (id, owner, amount) from program 'echo "
        "{n},{k},{k}' with (delimiter ',')",
        "copy item (id, owner, amount) from program 'echo {n},{k},{k}' with (delimiter ',')",
        "merge into item using (values ({n}), ({m})) as s (id) on item.id = s.id "
        "when matched and amount > 3 then delete when matched then update set amount = amount + 1 "
        "when not matched then insert (id, owner) values (s.id, {k})",
        "merge into sale using (values ({n}, {k})) as s (id, region) on sale.id = s.id and "
        "sale.region = s.region "
        "when matched then delete when not matched then insert values (s.id, s.region % 4 + 1, 5)",
        "with gone as (delete from part where id = {n} returning id), new as (insert into part "
        "(id, item) "
        "values ({m}, {n}) on conflict do nothing) update item set amount = amount + 1 where id = "
        "{m}",
        "update item set amount = item.amount + 1 from part where part.item = item.id and part.id "
        "= {n}",
        "insert into item select n, n % 9 from generate_series(100, 700) n on conflict do nothing",
        "delete from item where id >= 100",
        "update item set amount = {k}",
        "truncate item cascade",
        "truncate part",
        "update part set item = {n} where id = {m}",
        "update part set other = {n} where id = {m}",
        "delete from part where id = {n}",
        "update sale set region = {k} % 4 + 1 where id = {n}",
        "update sale set amount = amount + 1 where id = {n}",
        "update sale set id = {m} where id = {n}",
        "insert into sale values ({n}, {k} % 4 + 1, {k}) on conflict do nothing",
        "update sale_2 set amount = amount + 1",
        "insert into sale_2 values ({n}, 2, {k}) on conflict do nothing",
        "delete from sale_3a where id = {n}",
        "copy sale from program 'echo {n},3,{k}' with (delimiter ',')",
        "truncate sale_2",
        "truncate sale_3",
        "insert into derived values ({n}, {k}, 1)",
        "update base set v = v + {k} where id = {n}",
        "update only base set v = {k}",
        "delete from derived",
        "update secret set v = v + 1 where id = {n}",
        "update secret set owner = {k} % 4 where id = {n}",
        "delete from secret where id = {n}",
        "refresh materialized view totals",
        "refresh materialized view concurrently totals",
        "set session_replication_role = replica; delete from item where id = {n}",
        "set session_replication_role = replica; update part set item = {n} where id = {m}",
        "set session_replication_role = local; update sale set amount = {k} where id = {n}",
        "begin; update item set amount = 9; delete from sale; rollback",
        "begin; update item set amount = 8 where id = {n}; savepoint a; delete from part; rollback "
        "to a; commit",
        "begin; update item set amount = 7 where id = {n}; prepare transaction 'hunt'",
        "begin; insert into sale values ({n}, 2, 7) on conflict do nothing; delete from base where "
        "id = {m}; prepare transaction 'hunt'",
        "do $$ begin for i in 1..3 loop update item set amount = amount + i where id = i; end "
        "loop; end $$",
        "do $$ begin update item set amount = 6 where id = {n}; begin update item set id = null; "
        "exception when others then null; end; end $$"};
    return all;
  }
  static const std::vector<std::string>& definitions() {
    static const std::vector<std::string> all{
        "create or replace view cheap as select id, amount from item where amount < {k}",
        "create or replace view cheap as select id, {k} as amount from item where owner = {k}",
        "create or replace function doubled(x int) returns bigint language sql stable "
        "begin atomic select sum(amount) * {k} from item where owner = x; end",
        "create or replace function doubled(x int) returns bigint language sql stable "
        "begin atomic select count(*) from part where item = x; end",
        "alter table sale detach partition sale_2",
        "alter table sale detach partition sale_2 concurrently",
        "alter table sale detach partition sale_2 concurrently",
        "alter table sale detach partition sale_2 finalize",
        "alter table sale attach partition sale_2 for values in (2)",
        "alter table sale attach partition sale_2 for values in (2)",
        "create table sale_5 partition of sale for values in (5); insert into sale values ({n}, 5, "
        "{k})",
        "drop table sale_5",
        "begin; create table sale_6 (id int not null, region int not null, amount int not null "
        "default 0); "
        "insert into sale_6 values ({n}, 6, 1); alter table sale attach partition sale_6 for "
        "values in (6); commit",
        "drop table sale_6",
        "alter table sale_3 detach partition sale_3a",
        "alter table sale_3 attach partition sale_3a for values in (3)",
        "alter table derived no inherit base",
        "alter table derived inherit base",
        "alter table item add column extra int default {k}",
        "alter table item drop column extra",
        "alter table item alter column note type text using coalesce(note, '') || '{k}'",
        "alter table secret alter column v type bigint using v + 1",
        "alter table secret alter column v type int using v - 1",
        "alter table base alter column v type int using v + 1",
        "alter table item rename amount to quantity",
        "alter table item rename quantity to amount",
        "alter table item rename quantity to amount",
        "alter table part drop column twice, add column twice int generated always as (id * 2) "
        "stored",
        "alter table secret enable row level security",
        "alter table secret disable row level security",
        "drop policy if exists own on secret; create policy own on secret using (owner = {k} % 4)",
        "alter policy own on secret using (id <> {n})",
        "revoke select on secret from hunter",
        "grant select on secret to hunter",
        "grant select on secret to hunter",
        "create schema hunter authorization hunter; create table hunter.item as select id, owner, "
        "{k} as amount, note from public.item; "
        "grant select on hunter.item to hunter",
        "drop schema hunter cascade",
        "begin; create table if not exists item_new (like item including all); "
        "insert into item_new select i.* from item i on conflict do nothing; "
        "alter table item rename to item_old; alter table item_new rename to item; alter table "
        "item_old rename to item_new; commit",
        "alter table sale_1 rename to sale_one",
        "alter table sale_one rename to sale_1",
        "alter table item disable trigger user",
        "alter table item enable trigger user",
        "drop trigger querymark_update on part",
        "alter table sale_1 disable trigger all",
        "create or replace function follow() returns trigger language plpgsql as "
        "$$ begin update base set v = v + {k} where id = new.id; update item set amount = {k} "
        "where id = new.id; return new; end $$",
        "create unique index if not exists late on item (owner, id)",
        "drop index if exists late",
        "alter materialized view totals rename to sums; alter materialized view sums rename to "
        "totals",
        "alter table base set schema querymark; alter table querymark.base set schema public",
        "vacuum full item",
        "alter table item set unlogged",
        "alter table item set logged"};
    return all;
  }

  PostgresServer server_{{"wal_level=logical"}};
  PgShop shop_{server_};
  std::string source_ = server_.url(server_.create_bare_database());
  bool prepared_ = false;
};

}  // namespace querymark::test

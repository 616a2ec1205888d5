// Whose result is it? All of a session that can change a result belongs to the key, and a
// connection is in the pool only as long as its session is what it was.

#include <catch2/catch.hpp>
#include <future>
#include <pqxx/nontransaction>
#include <pqxx/transaction>

#include "connection.hpp"
#include "postgres_sql.hpp"
#include "querymark/postgres/types.hpp"
#include "session.hpp"
#include "support/errors.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

std::string key_of(const std::string& url, const postgres::Options& options = PgProcess::quick()) {
  PgProcess process(url, options);
  return process.db.source().options().scope.session;
}

// A query's answer, past the cache.
std::string text(postgres::Database& db, const std::string& sql) {
  return only(db.query(sql).uncached().fetch_as<std::string>());
}

// A role of the whole server, made once, with the rights of an application.
void make_role(const PgShop& shop, const std::string& name) {
  shop.execute("do $$ begin create role " + name +
               " login; exception when duplicate_object then null; end $$; grant "
               "querymark_subscriber, querymark_writer to " +
               name);
}

}  // namespace

TEST_CASE("postgres session: what the URL's options set is part of the key", "[session]") {
  const PgShop shop;
  const std::string plain = key_of(shop.url());
  CHECK(key_of(shop.url()) == plain);
  const char glue = shop.url().find('?') == std::string::npos ? '?' : '&';
  const auto with = [&](const std::string& options) {
    return key_of(shop.url() + glue + "options=" + options);
  };
  std::vector<std::string> keys{plain};
  for (const char* options :
       {"-c%20app.tenant%3D1", "-c%20app.tenant%3D2", "--app.tenant%3D3", "-c%20row_security%3Doff",
        "-c%20extra_float_digits%3D0", "-c%20default_text_search_config%3Dpg_catalog.german",
        "-c%20lc_monetary%3DPOSIX", "-c%20xmlbinary%3Dhex", "-c%20array_nulls%3Doff",
        "-c%20transform_null_equals%3Don", "-c%20standard_conforming_strings%3Doff"}) {
    CAPTURE(options);
    keys.push_back(with(options));
    CHECK(std::count(keys.begin(), keys.end(), keys.back()) == 1);
  }
  CHECK(with("-c%20statement_timeout%3D60000") == plain);
  CHECK(with("-c%20enable_seqscan%3Doff") == plain);  // by whichever plan, it is the same
  CHECK(key_of(shop.url() + glue + "application_name=shop") == plain);
}

TEST_CASE(
    "postgres session: what comes with the role or the database is part of the key (hard case 35)",
    "[session]") {
  const PgShop shop;
  make_role(shop, "tenant_of_a_role");
  const std::string url = shop.server().url(shop.name(), "tenant_of_a_role");
  const std::string before = key_of(url);
  shop.execute("alter role tenant_of_a_role in database " + shop.name() + " set app.tenant = '7'");
  const std::string with_custom = key_of(url);
  CHECK(with_custom != before);
  shop.execute("alter database " + shop.name() + " set app.region = 'north'");
  CHECK(key_of(url) != with_custom);
  // The same role to act as, logged in as another: functions may ask for either.
  postgres::Options acting = PgProcess::quick();
  acting.session.role = "tenant_of_a_role";
  CHECK(key_of(shop.url(), acting) != key_of(url));
}

TEST_CASE("postgres session: custom settings are pinned by options, and told apart", "[session]") {
  const PgShop shop;
  postgres::Options options = one_connection();
  options.session.settings = {{"app.tenant", "7"}};
  PgProcess seven(shop.url(), options);
  options.session.settings = {{"app.tenant", "8"}};
  PgProcess eight(shop.url(), options);
  const std::string sql = "select current_setting('app.tenant')";
  CHECK(text(seven.db, sql) == "7");
  CHECK(text(eight.db, sql) == "8");
  CHECK(seven.db.source().options().scope.session != eight.db.source().options().scope.session);
  const std::string pid = text(seven.db, "select pg_backend_pid()::text");
  seven.db.write([](auto& tx) { (void)tx.query("select set_config('app.tenant', '9', true)"); });
  CHECK(text(seven.db, sql) == "7");
  CHECK(text(seven.db, "select pg_backend_pid()::text") == pid);  // pinned, so it costs nothing
}

TEST_CASE("postgres session: what a write leaves in its session never reaches the next call",
          "[session]") {
  const PgShop shop;
  shop.execute(
      "create schema other; create table other.product as select * from product; "
      "update other.product set price = 100; create sequence ids;"
      "create function use_other() returns void language plpgsql as $$ begin perform "
      "set_config('search_path', 'other, public', false); end $$;"
      "create function speak() returns void language plpgsql as $$ begin perform "
      "set_config('app.spoken', 'x', false); end $$;"
      "do $$ begin create role guest; exception when duplicate_object then null; end $$;"
      "grant guest to tester; grant select on product to guest");
  const std::vector<std::string> leaving{
      "select set_config('search_path', 'other, public', false)",
      "select use_other()",
      "do $$ begin set search_path = other, public; end $$",
      "do $$ begin set session authorization guest; end $$",
      "do $$ begin set role guest; end $$",
      "do $$ begin set default_transaction_read_only = off; end $$",
      "do $$ begin set enable_seqscan = off; end $$",
      "do $$ begin set app.tenant = '7'; end $$",
      "do $$ begin set local app.tenant = '7'; end $$",
      "select speak()",
      "create temp table product as select 1 as id, 50.0 as price",
      "create function pg_temp.f() returns int language sql as 'select 1'",
      "do $$ begin execute 'declare held cursor with hold for select 1'; end $$",
      "do $$ begin execute 'listen gossip'; end $$",
      "do $$ begin execute 'prepare plan as select 1'; end $$",
      "do $$ begin execute 'deallocate all'; end $$",
      "select pg_advisory_lock(4711)",
      "select nextval('ids')",
  };
  const std::string state =
      "select concat_ws('|', current_user, session_user, current_setting('search_path'), "
      "current_setting('default_transaction_read_only'), current_setting('enable_seqscan'), "
      "coalesce(current_setting('app.tenant', true), 'none'), "
      "coalesce(current_setting('app.spoken', true), 'none'), "
      "(select count(*) from pg_class where relnamespace = pg_my_temp_schema()), "
      "(select count(*) from pg_proc where pronamespace = pg_my_temp_schema()), "
      "(select count(*) from pg_cursors where name = 'held'), "
      "(select count(*) from pg_listening_channels()), "
      "(select count(*) from pg_prepared_statements where name = 'plan'), "
      "(select count(*) from pg_locks where locktype = 'advisory'), "
      "(select price from product where id = 1))";
  for (const bool commits : {true, false}) {
    for (const std::string& sql : leaving) {
      CAPTURE(sql, commits);
      PgProcess process(shop.url(), one_connection());
      const std::string before = text(process.db, state);
      try {
        const Receipt receipt = process.db
                                    .write([&](postgres::Transaction& tx) {
                                      static_cast<void>(tx.query(sql));
                                      tx.invalidate(entity("product", 1));
                                      if (!commits) throw std::runtime_error("changed my mind");
                                    })
                                    .receipt;
        CHECK(commits);
        CHECK(process.db.resolve(receipt) == postgres::WriteFate::committed);
      } catch (const std::runtime_error& failure) {
        // Refused by its text, or rolled back.
        CHECK((!commits || dynamic_cast<const Error*>(&failure) != nullptr));
      }
      CHECK(text(process.db, state) == before);
      process.set_price(2, 7.0);
      CHECK(text(process.db, state) == before);
      CHECK_THROWS_AS(text(process.db, "select lastval()::text"), Error);
    }
  }
}

TEST_CASE(
    "postgres session: a write that goes out to a session which turns out to be another's is done "
    "once, by its own",
    "[session]") {
  const bool awaited = GENERATE(true, false);
  const PgShop shop;
  shop.execute(
      "do $$ begin create role guest; exception when duplicate_object then null; end $$;"
      "grant guest to tester; create table done (id int, who text default session_user);"
      "grant insert on done to guest; grant usage on schema querymark to guest;"
      "grant select on querymark.meta to guest");
  PgProcess process(shop.url(), one_connection());
  const std::string put = "insert into done (id) values ($1)";
  for (int i = 0; i < 4; ++i) {
    process.db.write([](postgres::Transaction& tx) {
      tx.execute("do $$ begin set session authorization guest; end $$");
    });
    if (awaited)
      process.db.write([&](postgres::Transaction& tx) {
        tx.execute(put, i);
        tx.invalidate(entity("done", i));
      });
    else
      CHECK(process.db.write_one(put, Parameters(i), entity("done", i)).value == 1);
    CHECK(shop.number("select count(*) from done where who = 'tester' and id = " +
                      std::to_string(i)) == 1);
  }
  CHECK(shop.number("select count(*) from done") == 4);
  CHECK(process.db.stats().in_doubt == 0);
}

TEST_CASE("postgres session: what a function leaves behind a read is undone", "[session]") {
  const PgShop shop;
  shop.execute(
      "create function speak() returns text language plpgsql as $$ begin return "
      "set_config('app.tenant', '7', false); end $$;"
      "create function leave(what text) returns int language plpgsql as $$ begin execute what; "
      "return 1; end $$");
  PgProcess process(shop.url(), one_connection());
  const std::string state =
      "select concat_ws('|', current_setting('search_path'), "
      "current_setting('default_transaction_read_only'), "
      "coalesce(current_setting('app.tenant', true), 'none'), "
      "(select count(*) from pg_cursors where name = 'held'), "
      "(select count(*) from pg_listening_channels()), "
      "(select count(*) from pg_locks where locktype = 'advisory'), "
      "(select count(*) from pg_largeobject_metadata where oid = 770077))";
  const std::string before = text(process.db, state);
  for (const char* what : {"set search_path = other", "set default_transaction_read_only = off",
                           "declare held cursor with hold for select 1", "listen gossip",
                           "select pg_advisory_lock(4711)", "deallocate all"}) {
    CAPTURE(what);
    static_cast<void>(process.db.query("select leave($1)", what).fetch());
    CHECK(text(process.db, state) == before);
  }
  // From PostgreSQL 16 on the server refuses large objects in a read-only transaction by itself.
  const std::string creating = "select lo_create(770077)";
  if (shop.number("select current_setting('server_version_num')::int") >= 160'000)
    CHECK_THROWS_AS(process.db.query("select leave($1)", creating).fetch(), ConfigError);
  else  // it does not last
    CHECK(process.db.query("select leave($1)", creating).fetch().outcome().stored ==
          Stored::in_transaction);
  CHECK(text(process.db, state) == before);
  CHECK(text(process.db, "select speak()") == "7");
  CHECK(text(process.db, state) == before);  // a setting that can't be forgotten costs a connection
  CHECK(process.price(1).outcome().stored == Stored::yes);
}

TEST_CASE(
    "postgres session: a connection is asked for the custom settings that code sets, no others",
    "[session]") {
  const PgShop shop;
  shop.execute(
      "create function a() returns text language sql as $$ select current_setting('app.read', "
      "true) "
      "|| 'public.product' $$;"
      "create function b() returns text language sql as $$ select SET_CONFIG( 'app.written', '1', "
      "true) $$;"
      "create function c() returns text language plpgsql as $$ begin set local app.spoken = 1; "
      "return "
      "''; end $$;"
      "create function d() returns int language sql set app.own = '1' as 'select 1'");
  postgres::Connection connection(shop.url(), {});
  const OwnedParameter none = as_parameter(std::vector<std::string>());
  const postgres::SessionState state(connection.query(postgres::sql::session_settings, {none}));
  CHECK(state.customs == std::vector<std::string>{"app.own", "app.spoken", "app.written"});
}

TEST_CASE("postgres session: a read costs one round trip, and an error in it leaves no transaction",
          "[session]") {
  const PgShop shop;
  PgProcess process(shop.url(), one_connection());
  const std::string pid = text(process.db, "select pg_backend_pid()::text");
  for (int i = 0; i < 3; ++i)
    CHECK_THROWS_WITH(process.db.query("select 1 / (id - id) from product").fetch(),
                      Contains("22012"));
  CHECK(text(process.db, "select pg_backend_pid()::text") == pid);
  CHECK(shop.number("select count(*) from pg_stat_activity where state like 'idle in%' and pid = " +
                    pid) == 0);
}

TEST_CASE("postgres session: new sessions with other settings are refused, by name", "[session]") {
  const PgShop shop;
  make_role(shop, "changing");
  postgres::Options options = PgProcess::quick();
  options.connections = 2;
  options.direct_url = shop.url();
  PgProcess process(shop.server().url(shop.name(), "changing"), options);
  CHECK(text(process.db, "select current_setting('lc_time')") ==
        shop.text("select current_setting('lc_time')"));
  shop.execute(
      "alter role changing set \"TimeZone\" = 'Asia/Tokyo'; "
      "alter role changing set app.secret = 'sesame'");
  shop.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'changing'");
  const std::string said =
      message_of([&] { static_cast<void>(text(process.db, "select 1::text")); });
  CHECK_THAT(said, Contains("TimeZone was") && Contains("is \"Asia/Tokyo\"") &&
                       Contains("app.secret was not set") && !Contains("sesame"));
  shop.execute("alter role changing reset all");
  CHECK(text(process.db, "select 1::text") == "1");
}

TEST_CASE(
    "postgres session: what the server logs of a role and how it plans may change while programs "
    "run",
    "[session]") {
  const PgShop shop;
  make_role(shop, "watched");
  postgres::Options options = one_connection();
  options.direct_url = shop.url();
  PgProcess process(shop.server().url(shop.name(), "watched"), options);
  CHECK(text(process.db, "select 1::text") == "1");
  for (const char* setting :
       {"log_min_duration_statement = 0", "log_statement = 'all'", "track_io_timing = on",
        "auto_explain.log_min_duration = 0", "work_mem = '64MB'", "random_page_cost = 1.1",
        "enable_nestloop = off", "max_parallel_workers_per_gather = 0", "geqo = off",
        "temp_file_limit = '10GB'", "lc_messages = 'C'"}) {
    CAPTURE(setting);
    shop.execute(std::string("alter role watched set ") + setting);
    shop.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'watched'");
    CHECK(text(process.db, "select 1::text") == "1");
  }
}

TEST_CASE(
    "postgres session: a role's timeouts end no look at the session, but what callers ask for",
    "[session]") {
  const PgShop shop;
  make_role(shop, "hasty");
  const bool for_transactions =
      shop.number("select current_setting('server_version_num')::int") >= 170'000;
  shop.execute("alter role hasty set statement_timeout = '200ms'");
  if (for_transactions) shop.execute("alter role hasty set transaction_timeout = '700ms'");
  postgres::Options options = one_connection();
  options.direct_url = shop.url();
  PgProcess process(shop.server().url(shop.name(), "hasty"), options);
  std::future<std::string> asked;  // which outlives the lock
  pqxx::connection holding(shop.url());
  pqxx::work work(holding);
  work.exec("lock table pg_catalog.pg_policy in access exclusive mode");
  asked = std::async(std::launch::async, [&] { return text(process.db, "select 1::text"); });
  shop.await(
      "select exists (select from pg_stat_activity where usename = 'hasty' and wait_event_type = "
      "'Lock' and clock_timestamp() - query_start > interval '800 ms')");
  work.commit();
  CHECK(asked.get() == "1");
  CHECK(text(process.db, "select current_setting('statement_timeout')") == "200ms");
  CHECK_THAT(message_of([&] { text(process.db, "select count(*)::text from pg_sleep(60)"); }),
             Contains("57014"));
  if (for_transactions)
    CHECK(text(process.db, "select current_setting('transaction_timeout')") == "700ms");
}

TEST_CASE("postgres session: a configuration that is loaded anew ends the sessions that stand",
          "[session]") {
  PostgresServer server;
  const PgShop shop(server);
  PgProcess process(shop.url(), one_connection());
  static_cast<void>(process.price(1));
  const std::string pid = text(process.db, "select pg_backend_pid()::text");
  shop.execute("alter system set \"TimeZone\" = 'Asia/Tokyo'");
  shop.execute("select pg_reload_conf()");
  // The reload reaches each backend when it next waits for a command.
  std::string said;
  for (int i = 0; i < 1000 && said.empty(); ++i) {
    try {
      const Result read =
          process.db.query("select current_setting('TimeZone'), $1::int", i).fetch();
      if (read[0][0].view() == "Asia/Tokyo") CHECK(read.outcome().stored == Stored::uncacheable);
    } catch (const ConfigError& refused) {
      said = refused.what();
    }
  }
  CHECK_THAT(said, Contains("TimeZone was") && Contains("is \"Asia/Tokyo\""));
  shop.execute("alter system reset \"TimeZone\"");
  shop.execute("select pg_reload_conf()");
  std::string zone;
  for (int i = 0; i < 1000 && zone.empty(); ++i) {
    try {
      zone = text(process.db, "select current_setting('TimeZone')");
    } catch (const ConfigError&) {  // the new session is a moment ahead of the reload
    }
  }
  CHECK(zone != "Asia/Tokyo");
}

TEST_CASE("postgres session: options name custom settings in all of libpq's spellings",
          "[session]") {
  using Names = std::vector<std::string>;
  CHECK(postgres::custom_names("").empty());
  CHECK(postgres::custom_names("-c app.tenant=7") == Names{"app.tenant"});
  CHECK(postgres::custom_names("-capp.tenant=7 --app-x.y=1 -c  geqo=off") ==
        Names{"app.tenant", "app_x.y"});
  CHECK(postgres::custom_names("-c app.a=with\\ blank -c app.b=1") == Names{"app.a", "app.b"});
}

TEST_CASE("postgres session: the custom settings that a text may set are guessed", "[session]") {
  using Names = std::vector<std::string>;
  CHECK(postgres::customs_set_by("do $$ begin raise exception 'no' using errcode = '08006'; end $$")
            .empty());
  CHECK(postgres::customs_set_by("select t.id from public.t set x = 1.5, y = '2.5'").empty());
  CHECK(postgres::customs_set_by("SET LOCAL App.Tenant = 7; set a.b to 1") ==
        Names{"app.tenant", "a.b"});
  CHECK(postgres::customs_set_by("select set_config('app.tenant', $1, true)") ==
        Names{"app.tenant"});
}

TEST_CASE("postgres low road: what the caller's session is belongs to the key", "[low road]") {
  const PgShop shop;
  PgProcess process(shop);
  pqxx::connection own(shop.url());
  const auto price = [](postgres::Borrowed& road) {
    return road.query("select price from product where id = 1").fetch_as<double>();
  };
  pqxx::work work(own);
  postgres::Borrowed plain = process.db.borrow(work, "own");
  CHECK(price(plain).outcome().stored == Stored::yes);
  work.exec("set search_path = public, other");
  CHECK(price(plain).outcome().stored == Stored::uncacheable);  // no longer what was borrowed
  postgres::Borrowed changed = process.db.borrow(work, "own");
  CHECK(price(changed).outcome().stored == Stored::yes);
}

TEST_CASE("postgres low road: beside temporary tables nothing is kept", "[low road]") {
  const PgShop shop;
  PgProcess process(shop);
  pqxx::connection own(shop.url());
  pqxx::nontransaction(own).exec(
      "create temp table product as select 1 as id, 50.0::numeric as price");
  pqxx::work work(own);
  postgres::Borrowed road = process.db.borrow(work, "own");
  const auto rows = road.query("select price from product where id = 1").fetch_as<double>();
  CHECK(rows[0] == 50.0);
  CHECK(rows.outcome().stored == Stored::uncacheable);
}

// The log as others may treat it: rows deleted by hand, sizes, clocks that were wrong, many open
// transactions, odd names and encodings.

#include <atomic>
#include <catch2/catch.hpp>
#include <pqxx/nontransaction>
#include <pqxx/transaction>

#include "querymark/support/ascii.hpp"
#include "querymark/support/error.hpp"
#include "support/errors.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"
#include "support/tcp_gate.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

TailRequest from(const Cursor& cursor) {
  return {.from = cursor, .upto = std::nullopt, .after = std::nullopt, .limit = 5000};
}

// What the server says to a program of its own.
std::string said_to(pqxx::connection& connection, const std::string& sql) {
  try {
    pqxx::nontransaction(connection).exec(sql);
  } catch (const std::exception& failure) {
    return failure.what();
  }
  return "nothing";
}

const char* const kPutPrice =
    "update product set price = 6 where id = 1;"
    "select querymark.invalidate('shop', 'entity', 'product:1')";

}  // namespace

TEST_CASE(
    "postgres log: rows deleted by hand are missed by who has not read them, and only by them",
    "[log]") {
  const PgShop shop;
  postgres::Log log(shop.url(), "shop");
  const Cursor suspended = log.now();
  shop.execute(kPutPrice);
  const Cursor awake = log.now();
  const std::string how =
      GENERATE("delete from querymark.log", "truncate querymark.log",
               "set session_replication_role = replica; delete from querymark.log",
               "delete from querymark.log where created_at < now() - interval '-1 day'",
               "begin; delete from querymark.log; commit");
  CAPTURE(how);
  shop.execute(how);
  CHECK(log.read(from(suspended)).status == TailStatus::pruned);
  CHECK(log.read(from(log.now())).status == TailStatus::ok);
  if (how.find("truncate") == std::string::npos)
    CHECK(log.read(from(awake)).status == TailStatus::ok);
}

TEST_CASE("postgres log: deleting what a running transaction has not committed loses nothing",
          "[log]") {
  const PgShop shop;
  postgres::Log log(shop.url(), "shop");
  const Cursor before = log.now();
  pqxx::connection own(shop.url());
  pqxx::work work(own);
  work.exec(kPutPrice);
  shop.execute("select querymark.invalidate('shop', 'tag', 'done')");
  shop.execute("delete from querymark.log");
  TailPage page = log.read(from(before));
  CHECK(page.status == TailStatus::pruned);
  work.commit();
  page = log.read(from(page.upto));
  // Read, or told as missed: never silently over.
  CHECK((page.status == TailStatus::pruned || page.rows.size() == 1));
}

TEST_CASE("postgres log: deleting rows of a foreign history raises no floor above what comes",
          "[log]") {
  const PgShop shop;
  PgProcess process(shop);
  shop.execute(
      "insert into querymark.log (xid, namespace, kind, target) values "
      "('99999999', 'shop', 'tag', 'from the future')");
  process.db.catch_up();
  shop.execute("delete from querymark.log where xid = '99999999'");
  static_cast<void>(process.price(1));
  process.db.catch_up();
  process.db.catch_up();
  CHECK(process.price(1).outcome().is_hit());
  CHECK(shop.text("select floor < '99999999' from querymark.meta") == "t");
}

TEST_CASE("postgres log: a lease that ends absurdly late keeps nobody out", "[log]") {
  const PgShop shop;
  postgres::Log log(shop.url(), "shop");
  REQUIRE(log.claims()->claim("tier", "me", 30s).status == ClaimStatus::claimed);
  CHECK(log.claims()->claim("tier", "you", 30s).status == ClaimStatus::held_elsewhere);
  const std::string end = GENERATE("'2400-01-01'", "'infinity'", "now() + interval '3 days'");
  shop.execute("update querymark.consumer set lease_until = " + end);
  CHECK(log.claims()->claim("tier", "you", 30s).status == ClaimStatus::claimed);
  CHECK(log.claims()->claim("tier", "me", 30s).status == ClaimStatus::held_elsewhere);
  CHECK_THROWS_AS(log.claims()->claim("tier", "you", 24h * 1000), ConfigError);
}

TEST_CASE("postgres log: no writer puts into it what all others would have to fetch", "[log]") {
  const PgShop shop;
  shop.execute(
      "do $$ begin create role hand login in role querymark_writer; "
      "exception when duplicate_object then null; end $$");
  pqxx::connection hand(shop.server().url(shop.name(), "hand"));
  const auto refused = [&](const std::string& sql) { return said_to(hand, sql); };
  const std::string into = "insert into querymark.log (namespace, kind, target, reason) values ";
  CHECK_THAT(refused(into + "('shop', 'tag', repeat('x', 1025), null)"),
             Contains("log_target_size"));
  CHECK_THAT(refused(into + "('shop', 'flush', repeat('x', 200000000), null)"),
             Contains("log_target_size"));
  CHECK_THAT(refused(into + "('shop', 'tag', 'x', repeat('x', 501))"), Contains("log_reason_size"));
  CHECK_THAT(refused(into + "(repeat('x', 201), 'tag', 'x', null)"),
             Contains("log_namespace_size"));
  pqxx::nontransaction(hand).exec(into +
                                  "(repeat('x', 200), 'tag', repeat('x', 1024), repeat('x', 500))");

  const auto told = [&](const std::string& arguments) {
    return refused("select querymark.invalidate(" + arguments + ")");
  };
  CHECK_THAT(told("null, 'tag', 'x'"), Contains("the namespace is NULL"));
  CHECK_THAT(told("repeat('x', 201), 'tag', 'x'"), Contains("200 bytes"));
  CHECK_THAT(told("'shop', 'tags', 'x'"),
             Contains("'tags' is no kind of target") &&
                 Contains("use key, tag, entity, collection or flush"));
  CHECK_THAT(told("'shop', null, 'x'"), Contains("NULL is no kind"));
  CHECK_THAT(told("'shop', 'tag'"), Contains("NULL or empty") && Contains("the kind flush"));
  CHECK_THAT(told("'shop', 'tag', null"), Contains("NULL or empty"));
  CHECK_THAT(told("'shop', 'tag', repeat('x', 2000)"), Contains("2000 bytes"));
  CHECK_THAT(told("'shop', 'tag', '50% off'"), Contains("querymark.target"));
  CHECK_THAT(told("'shop', 'entity', 'product'"), Contains("has no id"));
  CHECK_THAT(told("'shop', 'key', 'abc'"), Contains("sha256:"));
  CHECK_THAT(told("'shop', 'tag', 'x', repeat('x', 501)"), Contains("501 bytes"));
  CHECK(shop.number("select count(*) from querymark.log") == 1);
  pqxx::nontransaction(hand).exec(
      "select querymark.invalidate('shop', 'entity', querymark.target('a:b', '50%')),"
      "querymark.invalidate('shop', 'flush'), querymark.invalidate('shop', 'key', 'name:x'),"
      "querymark.invalidate('shop', 'collection', 'c', 'why')");
  CHECK(shop.number("select count(*) from querymark.log") == 5);
}

TEST_CASE("postgres log: a target with a NULL segment is refused, not taken for another", "[log]") {
  const PgShop shop;
  pqxx::connection own(shop.url());
  CHECK_THAT(said_to(own, "select querymark.target('tenant', null)"),
             Contains("a segment of the target is NULL"));
  CHECK_THAT(said_to(own, "select querymark.target(null)"), Contains("NULL"));
  CHECK_THAT(said_to(own, "select querymark.target(variadic '{}'::text[])"),
             Contains("needs a segment"));
  CHECK_THAT(said_to(own, "select querymark.target(variadic null::text[])"),
             Contains("needs a segment"));
  CHECK(shop.text("select querymark.target('a:b', '50%', '')") == "a%3Ab:50%25:");
}

TEST_CASE("postgres log: rows that nobody may see are told, not taken for none", "[log]") {
  const PgShop shop;
  shop.execute(
      "do $$ begin create role reader login in role querymark_subscriber; "
      "exception when duplicate_object then null; end $$");
  postgres::Log log(shop.server().url(shop.name(), "reader"), "shop");
  const Cursor before = log.now();
  shop.execute("alter table querymark.log enable row level security");
  shop.execute("select querymark.invalidate('shop', 'tag', 'x')");
  CHECK_THAT(message_of([&] { static_cast<void>(log.read(from(before))); }),
             Contains("row-level security"));
  shop.execute("alter table querymark.log disable row level security");
  CHECK(log.read(from(before)).rows.size() == 1);
}

TEST_CASE("postgres log: rights that are revoked in flight are an error, and come back", "[log]") {
  const PgShop shop;
  shop.execute(
      "do $$ begin create role shortly login in role querymark_subscriber; "
      "exception when duplicate_object then null; end $$");
  postgres::Log log(shop.server().url(shop.name(), "shortly"), "shop");
  const Cursor before = log.now();
  shop.execute("revoke select on querymark.log from querymark_subscriber");
  CHECK_THAT(message_of([&] { static_cast<void>(log.read(from(before))); }),
             Contains("permission denied"));
  shop.execute("grant select on querymark.log to querymark_subscriber");
  shop.execute(kPutPrice);
  CHECK(log.read(from(before)).rows.size() == 1);
  shop.execute("alter role shortly rename to renamed");
  CHECK(log.read(from(before)).rows.size() == 1);
  shop.execute("alter role renamed rename to shortly");
}

TEST_CASE("postgres log: ten thousand ids in progress are followed", "[log]") {
  const PgShop shop;
  postgres::Log log(shop.url(), "shop");
  pqxx::connection own(shop.url());
  pqxx::work work(own);
  const std::uint64_t first = std::stoull(work.exec("select pg_current_xact_id()")[0][0].c_str());
  work.exec("select querymark.invalidate('shop', 'tag', 'late')");
  const Cursor now = log.now();
  std::vector<Position> running;
  for (std::uint64_t id = first; id < first + 10'000; ++id) running.push_back({id});
  shop.execute(
      "do $$ begin for i in 1 .. 10010 loop perform pg_current_xact_id(); commit; "
      "end loop; end $$");
  const Cursor many{now.epoch, Snapshot({first}, {first + 10'000}, running), {}};
  CHECK(log.read(from(many)).rows.empty());
  work.commit();
  const TailPage page = log.read(from(many));
  REQUIRE(page.rows.size() == 1);
  CHECK(page.rows[0].target == tag("late"));
  CHECK(page.rows[0].position == Position{first});
}

TEST_CASE("postgres log: databases, namespaces and encodings of odd names", "[log]") {
  PostgresServer& server = PostgresServer::shared();
  pqxx::connection admin(server.url("postgres"));
  static int count = 0;
  const std::string name = "O'd \"d&b " + std::to_string(++count);
  const std::string encoding = GENERATE("UTF8", "LATIN1", "SQL_ASCII");
  CAPTURE(encoding);
  pqxx::nontransaction(admin).exec("create database " + admin.quote_name(name) +
                                   " template template0 locale 'C' encoding '" + encoding + "'");
  const std::string url = server.url("O'd%20%22d%26b%20" + std::to_string(count));
  postgres::migrate(url);
  postgres::Options options = PgProcess::quick();
  options.namespace_name = "it's \"ünï\"";
  PgProcess process(url, options);
  PgProcess other(url, options);
  const Target target = entity("prödukt", "7:%");
  const auto value = [&](PgProcess& at) {
    return at.db.query("select 1").tag(target).fetch_as<std::int64_t>();
  };
  static_cast<void>(value(other));
  CHECK(value(other).outcome().is_hit());
  const Receipt receipt =
      process.db.write([&](postgres::Transaction& tx) { tx.invalidate(target); }).receipt;
  CHECK(other.db.wait(receipt, Wait::local(20s)).satisfied());
  CHECK_FALSE(value(other).outcome().is_hit());
  CHECK(other.db.stats().malformed_rows == 0);
}

TEST_CASE("postgres log: a target that has no equivalent in UTF-8 flushes, and blocks nobody",
          "[log]") {
  PostgresServer& server = PostgresServer::shared();
  const std::string encoding = GENERATE("SQL_ASCII", "WIN1252");
  CAPTURE(encoding);
  pqxx::connection admin(server.url("postgres"));
  pqxx::nontransaction(admin).exec("create database in_" + encoding +
                                   " template template0 locale 'C' encoding '" + encoding + "'");
  const std::string url = server.url("in_" + ascii::to_lower(encoding));
  postgres::migrate(url);
  PgProcess process(url, PgProcess::quick());
  const auto value = [&](const Target& target) {
    return process.db.query("select $1", target.text()).tag(target).fetch_as<std::string>();
  };
  postgres::Log log(url, "shop");
  const Cursor before = log.now();
  static_cast<void>(value(tag("any")));
  CHECK(value(tag("any")).outcome().is_hit());
  pqxx::connection plain(url + "?client_encoding=" + encoding);
  pqxx::nontransaction(plain).exec(
      "begin; select querymark.invalidate('shop', 'tag', 'one');"
      "select querymark.invalidate('shop', 'tag', E'\\x81');"
      "select querymark.invalidate('shop', 'tag', 'two'); commit");
  catch_up(process);
  CHECK(process.db.stats().malformed_rows == 1);
  CHECK_FALSE(value(tag("any")).outcome().is_hit());
  CHECK(value(tag("any")).outcome().is_hit());
  const TailPage page = log.read(from(before));
  REQUIRE(page.rows.size() == 3);
  CHECK(page.rows[0].target == tag("one"));
  CHECK_FALSE(page.rows[1].target);
  CHECK(page.rows[2].target == tag("two"));
}

TEST_CASE("postgres log: what operators see is told though it has no equivalent in UTF-8",
          "[log]") {
  PostgresServer& server = PostgresServer::shared();
  const std::string encoding = GENERATE("SQL_ASCII", "WIN1252");
  CAPTURE(encoding);
  const std::string name = "seen_in_" + ascii::to_lower(encoding);
  pqxx::connection admin(server.url("postgres"));
  pqxx::nontransaction(admin).exec("create database " + name +
                                   " template template0 locale 'C' encoding '" + encoding + "'");
  const std::string url = server.url(name);
  postgres::migrate(url);
  postgres::Log log(url, "shop");
  pqxx::connection plain(url + "?client_encoding=" + encoding);
  pqxx::nontransaction(plain).exec(
      "begin; select querymark.invalidate('shop', 'tag', 'one', E'because \\x81');"
      "select querymark.invalidate(E'else\\x81', 'tag', 'two');"
      "insert into querymark.consumer (namespace, name, down_since, down_reason)"
      " values ('shop', E'tier\\x81', now(), E'for \\x81');"
      "insert into querymark.delivery (namespace, consumer, epoch, kind, target, first_position, "
      "position, state,"
      " attempts, available_at, deadline, last_error)"
      " values ('shop', E'tier\\x81', repeat('0', 32), 'tag', 'one', '1', '1', 'dead', 1, now(), "
      "'infinity', "
      "E'for \\x81');"
      " commit");
  // One row that can't be told must not keep a worker, which asks for the namespaces, from its work.
  CHECK(log.namespaces() == std::vector<std::string>{"else\\x81", "shop"});
  const TailPage page = log.read(from(log.retained()));
  REQUIRE(page.rows.size() == 1);
  CHECK(log.reasons_at(page.rows[0].position) == std::vector<std::string>{"because \\x81"});
  const auto details = log.inspector()->details(page.rows);
  REQUIRE(details.size() == 1);
  CHECK(details[0].reason == "because \\x81");
  const auto consumers = log.inspector()->consumers("shop");
  REQUIRE(consumers.size() == 1);
  CHECK(consumers[0].name == "tier\\x81");
  const auto deliveries = log.deliveries()->list({});
  REQUIRE(deliveries.size() == 1);
  CHECK(deliveries[0].record.last_error == "for \\x81");
  CHECK(log.pruning()->extent().holders.at(0).name == "tier\\x81");
  // The session reads on in UTF-8.
  pqxx::nontransaction(plain).exec("select querymark.invalidate('shop', 'tag', E'\\xe9')");
  const TailPage next = log.read(from(page.upto));
  REQUIRE(next.rows.size() == 1);
  CHECK(next.rows[0].target ==
        (encoding == "WIN1252" ? std::optional(tag("\u00e9")) : std::nullopt));
}

TEST_CASE("postgres log: what a database has no letters for is told in others, and fails nothing",
          "[log]") {
  PostgresServer& server = PostgresServer::shared();
  const std::string encoding = GENERATE("UTF8", "LATIN1", "SQL_ASCII");
  CAPTURE(encoding);
  const std::string name = "told_in_" + ascii::to_lower(encoding);
  pqxx::connection admin(server.url("postgres"));
  pqxx::nontransaction(admin).exec("create database " + name +
                                   " template template0 locale 'C' encoding '" + encoding + "'");
  postgres::migrate(server.url(name));
  postgres::Log log(server.url(name), "shop");
  // Names of files may hold any bytes, and are part of what is told of a target that is down.
  const std::string letter = encoding == "LATIN1" ? "\u0436" : "\xd0";
  const std::string spelt = encoding == "LATIN1" ? "\\xd0\\xb6" : "\\xd0";
  const std::string why = "no " + letter;
  const std::string told = "no " + spelt;
  std::string longest, longest_told;  // 500 bytes are taken
  while (longest.size() + letter.size() <= 500) longest += letter;
  while (longest_told.size() + 4 <= 500)
    longest_told += spelt.substr(longest_told.size() % spelt.size(), 4);
  SubscriberEntry entry = SubscriberEntry::of_process(1min);
  entry.application = why;
  log.subscribers()->enter(entry);
  CHECK(log.subscribers()->subscribers().at(0).entry.application == told);
  const auto claims = log.claims();
  const auto deliveries = log.deliveries();
  const Claim claim = claims->claim("tier", "me", 30s).claim;
  CHECK(deliveries->forgive(claim, longest));
  CHECK(log.inspector()->consumers("shop").at(0).down_reason == longest_told);
  Progress progress{.cursor = claim.upto};
  progress.left.push_back({.target = tag("one"),
                           .first_position = Position{1},
                           .position = Position{1},
                           .state = DeliveryState::pending,
                           .error = why});
  CHECK(deliveries->record(claim, progress, OnDeath::flush));
  CHECK(deliveries->list({}).at(0).record.last_error == told);
  const auto due = deliveries->take_due(claim, 10);
  REQUIRE(due.has_value());
  REQUIRE(due->size() == 1);
  const Settled dead{.id = due->at(0).record().id, .as = Settled::As::dead, .error = why + "!"};
  CHECK(deliveries->settle(claim, {&dead, 1}, OnDeath::flush));
  CHECK(deliveries->list({}).at(0).record.last_error == told + "!");
}

TEST_CASE("postgres log: whoever ends opens no further connection", "[log]") {
  const PgShop shop;
  TcpGate gate(shop.server().port());
  std::atomic<int> begun{0};
  gate.set_rule(TcpGate::counting_sessions(begun));
  postgres::Log log(gate.url(shop.name()), "shop");
  log.connect_no_more();
  static_cast<void>(log.now());  // over the one that stands
  gate.cut_all();
  const int before = begun;
  CHECK_THROWS(log.now());
  CHECK_THROWS_WITH(log.claims()->release("tier", "me"), Contains("not opened again"));
  CHECK(before > 0);
  CHECK(begun == before);
}

TEST_CASE("postgres log: a delivery without a deadline is read as one that never ends", "[log]") {
  const PgShop shop;
  postgres::Log log(shop.url(), "shop");
  shop.execute(
      "insert into querymark.consumer (namespace, name) values ('shop', 'edge');"
      "insert into querymark.delivery (namespace, consumer, epoch, first_position, position, "
      "state, "
      "available_at) select 'shop', 'edge', epoch, '3', '4', 'dead', 'infinity' "
      "from querymark.meta");
  const auto rows = log.deliveries()->list({.consumer = "edge"});
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].record.deadline == WallTime::max());
  CHECK(rows[0].record.available_at == WallTime::max());
}

// What is sent unawaited: how often the server is asked, and that commits in doubt, lost connections
// and changed schemas end as they do for what is awaited.

#include <atomic>
#include <catch2/catch.hpp>

#include "support/errors.hpp"
#include "support/gated_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

constexpr const char* kSet = "update product set price = $1 where id = $2";

struct Gated : GatedShop {
  Written<std::int64_t> set(double price) {
    return process.db.write_one(kSet, Parameters(price, 1), entity("product", 1));
  }
};

}  // namespace

TEST_CASE("postgres send: statements that nobody awaits cost no round trips of their own",
          "[send]") {
  Gated gated;
  for (int i = 0; i < 3; ++i) gated.set(3.0 + i);
  CHECK(gated.trips([&] { gated.set(9.0); }) == 2);
  CHECK(gated.trips([&] {
    gated.process.db.write([](postgres::Transaction& tx) {
      for (int i = 0; i < 10; ++i) tx.send(kSet, 1.0 + i, 1);
      tx.invalidate(entity("product", 1));
    });
  }) == 2);
  CHECK(gated.trips([&] {
    gated.process.db.write([](postgres::Transaction& tx) {
      tx.send(kSet, 20.0, 1);
      const ResultSet price = tx.query("select price from product where id = 1");
      CHECK(price.row(0)[0].as<double>() == 20.0);
      tx.send(kSet, 30.0, 1);
    });
  }) == 2);
  CHECK(gated.shop.number("select price::int from product where id = 1") == 30);
}

TEST_CASE("postgres send: intents go out with BEGIN where nobody awaits a statement", "[send]") {
  Gated gated;
  for (int i = 0; i < 3; ++i) gated.set(3.0 + i);
  std::string first;
  std::string second;
  const auto watch = [&](auto&& write) {
    first.clear();
    second.clear();
    gated.gate.set_rule([&, answered = false](bool to_server, const std::string& chunk) mutable {
      if (to_server) (answered ? second : first) += chunk;
      answered = answered || (!to_server && !first.empty());  // not what the last write left behind
      return TcpGate::Verdict::pass;
    });
    const Receipt receipt = write();
    gated.gate.set_rule({});
    CHECK_THAT(first, Contains("querymark_begin") && Contains("querymark_append"));
    CHECK_THAT(second, Contains("querymark_commit") && !Contains("querymark_append"));
    CHECK(gated.shop.number("select count(*) from querymark.log where xid = '" +
                            std::to_string(receipt.position.value) + "' and write_id = " +
                            std::to_string(static_cast<std::int64_t>(receipt.write.value))) ==
          receipt.intents);
    CHECK(receipt.intents > 0);
    CHECK(gated.process.db.resolve(receipt) == postgres::WriteFate::committed);
  };
  watch([&] { return gated.set(9.0).receipt; });
  watch([&] {
    return gated.process.db
        .write([](postgres::Transaction& tx) {
          for (int i = 0; i < 3; ++i) tx.send(kSet, 1.0 + i, 1);
          tx.invalidate(entity("product", 1));
          tx.invalidate(entity("product", 2));
        })
        .receipt;
  });
  // Nothing but intents.
  watch([&] {
    return gated.process.db
        .write([](postgres::Transaction& tx) { tx.invalidate(entity("product", 1)); })
        .receipt;
  });
  CHECK(gated.shop.number("select price::int from product where id = 1") == 3);
}

TEST_CASE("postgres send: COMMIT cut before it reaches the server is in doubt, with its position",
          "[send]") {
  Gated gated;
  static_cast<void>(gated.process.price(1));
  gated.cut_commits();
  std::optional<Receipt> receipt;
  try {
    gated.set(9.0);
  } catch (const CommitInDoubt& doubt) {
    receipt = doubt.receipt();
  }
  REQUIRE(receipt);
  gated.gate.set_rule({});
  CHECK(receipt->position.value > 0);
  CHECK(gated.process.db.stats().in_doubt == 1);
  gated.await_no_transaction();
  CHECK(gated.process.db.resolve(*receipt) == postgres::WriteFate::rolled_back);
  CHECK_FALSE(gated.process.price(1).outcome().is_hit());  // its intents were applied all the same
  gated.set(3.0);
  CHECK(only(gated.process.price(1)) == 3.0);
}

TEST_CASE("postgres send: COMMIT whose answer is cut off is found committed", "[send]") {
  Gated gated;
  static_cast<void>(gated.process.price(1));
  std::atomic<bool> sent{false};
  gated.gate.set_rule([&](bool to_server, const std::string& chunk) {
    if (Gated::is_commit(to_server, chunk)) sent.store(true);
    return !to_server && chunk.find("COMMIT") != std::string::npos ? TcpGate::Verdict::cut
                                                                   : TcpGate::Verdict::pass;
  });
  std::optional<Receipt> receipt;
  try {
    gated.set(9.0);
  } catch (const CommitInDoubt& doubt) {
    receipt = doubt.receipt();
  }
  REQUIRE(receipt);
  CHECK(sent);
  gated.gate.set_rule({});
  CHECK(gated.process.db.resolve(*receipt) == postgres::WriteFate::committed);
  CHECK(only(gated.process.price(1)) == 9.0);
}

TEST_CASE("postgres send: a connection that the server has closed meanwhile costs no write",
          "[send]") {
  Gated gated;
  for (int i = 0; i < 3; ++i) {
    gated.set(3.0 + i);
    gated.shop.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() "
        "and datname = current_database() and query like '%querymark%' and state = 'idle'");
    const Written<std::int64_t> written = gated.set(10.0 + i);
    CHECK(written.value == 1);
    CHECK(gated.shop.number("select price::int from product where id = 1") == 10 + i);
  }
  CHECK(gated.process.db.stats().in_doubt == 0);
}

TEST_CASE("postgres send: what the schema has left behind does what its text does", "[send]") {
  const PgShop shop;
  postgres::Options options = one_connection();
  PgProcess process(shop, options);
  shop.execute("create table item (id int primary key, value int)");
  const std::string sql =
      "insert into item values ($1, $2) on conflict (id) do update set value = $2";
  const auto put = [&](const auto& value) {
    return process.db.write_one(sql, Parameters(1, value), entity("item", 1));
  };
  for (int i = 0; i < 7; ++i) CHECK(put(i).value == 1);
  shop.execute("alter table item alter value type bigint");
  const Written<std::int64_t> written = put(std::int64_t{1} << 40);
  CHECK(written.value == 1);
  CHECK(process.db.resolve(written.receipt) == postgres::WriteFate::committed);
  CHECK(shop.number("select value from item") == std::int64_t{1} << 40);
  shop.execute("drop table item");
  for (int i = 0; i < 3; ++i) CHECK_THROWS_WITH(put(i), Contains("42P01") && Contains(sql));
  shop.execute("create table item (id int primary key, value text)");
  CHECK(put("words").value == 1);
  CHECK(shop.text("select value from item") == "words");
  // A session that has lost all that it had prepared.
  shop.execute(
      "create function forget() returns int language plpgsql as $$ begin execute 'deallocate "
      "all'; return 1; end $$");
  CHECK_THROWS_WITH(process.db.write([](postgres::Transaction& tx) {
    tx.send("select forget()");
    tx.invalidate(entity("item", 1));
  }),
                    Contains("26000"));
  CHECK(put("more").value == 1);
}

TEST_CASE("postgres send: what is deferred to the commit fails there, and is told by its name",
          "[send]") {
  const PgShop shop;
  shop.execute(
      "create table parent (id int primary key); create table child (id int references parent "
      "deferrable initially deferred)");
  PgProcess process(shop);
  for (int i = 0; i < 3; ++i)
    CHECK_THROWS_WITH(
        process.db.write_one("insert into child values ($1)", Parameters(1), entity("child", 1)),
        Contains("child_id_fkey") && Contains("commit"));
  CHECK(shop.number("select count(*) from child") == 0);
  CHECK(shop.number("select count(*) from querymark.log") == 0);
}

TEST_CASE(
    "postgres send: more parameters than a statement can have are refused, and nothing is in doubt",
    "[send]") {
  Gated f;
  Parameters most;
  std::string sql = "update product set price = 7 where id in (";
  for (int i = 1; i <= 65536; ++i) {
    most.add(i);
    sql += (i > 1 ? ",$" : "$") + std::to_string(i) + "::int";
  }
  sql += ')';
  const auto refused = [](auto&& action) {
    return message_of(action).starts_with("a statement can have 65535 parameters at most");
  };
  CHECK(refused([&] { f.process.db.write_one(sql, most, entity("product", 1)); }));
  CHECK(refused([&] {
    f.process.db.write([&](postgres::Transaction& tx) {
      tx.send(kSet, 5.0, 1);
      tx.send(sql, most);
    });
  }));
  CHECK(refused(
      [&] { f.process.db.write([&](postgres::Transaction& tx) { tx.execute(sql, most); }); }));
  sql.replace(0, sql.find(" where"), "select 1 from product");
  CHECK(refused([&] { return f.process.db.query(sql, most).fetch(); }));
  CHECK(only(f.process.price(1)) != 5.0);
  CHECK(f.set(6).value == 1);
}

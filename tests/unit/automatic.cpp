// Tags that nobody declares: what is found out of a text, when it is asked for, and when it counts no more.

#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/key/tracked.hpp"
#include "read_fixture.hpp"
#include "support/silent.hpp"
#include "unit/log_fixture.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view kProduct = "public:product";
const std::string kSql = "select n from product where id = $1";

Analysis by_id() {
  return {Verdict::cache,
          "",
          {{std::string(kProduct), "id", {{RouteType::integer, {{.parameter = 0}}}}}}};
}

// Says of each text what the test says.
struct Oracle final : Analyser {
  Analysis analyse(std::string_view /*sql*/, const Promises& promises) override {
    promised = promises;
    ++asked;
    if (on_ask) on_ask();
    return answer;
  }
  Analysis answer = by_id();
  std::function<void()> on_ask;
  Promises promised;
  int asked = 0;
};

struct AnalysedLoader final : Loader {
  LoadedRows load(std::string_view sql, std::span<const ParameterView> parameters) override {
    return rows.load(sql, parameters);
  }
  Analyser* analyser() noexcept override { return can_tell ? &oracle : nullptr; }
  LoadedRows load_from_replica(std::string_view sql,
                               std::span<const ParameterView> parameters) override {
    return on_replica ? on_replica() : load(sql, parameters);
  }
  bool has_replica() const noexcept override { return on_replica != nullptr; }
  FakeLoader rows;
  std::function<LoadedRows()> on_replica;
  Oracle oracle;
  bool can_tell = true;
};

struct Automatic : ReadFixture {
  Query query(std::int64_t id) {
    return Query(source, loader, kSql, Parameters(id)).tagging(Tags::automatic);
  }
  Outcome read(std::int64_t id = 1) { return query(id).fetch().outcome(); }
  auto prepared() {
    return Prepared<ResultSet, detail::NoMapper>(source, loader, kSql, {}).tagging(Tags::automatic);
  }
  static Target row(const std::string& id) {
    return row_of(kProduct, "id", std::vector<std::string>{id});
  }
  AnalysedLoader loader;
};

struct WithReplica : Automatic {
  WithReplica() {
    source.follow_by(subscriber);
    subscriber.begin();
  }
  MemoryOutbox log{"shop"};
  FaultyOutbox outbox{log};
  SilentDoorbell bell;
  Subscriber subscriber{"shop", outbox, bell, source.marks(), {.clock = &clock}};
};

}  // namespace

TEST_CASE("automatic: what triggers report reaches what depends on it, and nothing else",
          "[automatic]") {
  Automatic it;
  const auto by_id = it.prepared();
  static_cast<void>(by_id(std::int64_t{1}));
  static_cast<void>(by_id(std::int64_t{2}));
  CHECK(by_id(std::int64_t{1}).outcome().is_hit());
  CHECK(it.loader.oracle.asked == 1);
  it.invalidate(Automatic::row("1"));
  CHECK(by_id(std::int64_t{1}).outcome().status == ReadStatus::miss);
  CHECK(by_id(std::int64_t{2}).outcome().is_hit());
  it.invalidate(any_row_of(kProduct));
  CHECK(by_id(std::int64_t{2}).outcome().is_hit());
  it.invalidate(all_rows_of(kProduct));
  CHECK(by_id(std::int64_t{1}).outcome().status == ReadStatus::miss);
  CHECK(by_id(std::int64_t{2}).outcome().status == ReadStatus::miss);
  CHECK(it.loader.oracle.asked == 1);
}

TEST_CASE("automatic: a change of definitions ends what was found out, and all that was kept by it",
          "[automatic]") {
  Automatic it;
  static_cast<void>(it.read());
  CHECK(it.read().is_hit());
  it.loader.oracle.answer = {Verdict::cache, "", {{"public:other", "", {}}}};
  it.invalidate(schema_of_all());
  CHECK(it.read().status == ReadStatus::miss);
  CHECK(it.loader.oracle.asked == 2);
  it.invalidate(Automatic::row("1"));
  CHECK(it.read().is_hit());
  it.invalidate(any_row_of("public:other"));
  CHECK(it.read().status == ReadStatus::miss);
}

TEST_CASE("automatic: a load that a change of definitions overtakes is not kept", "[automatic]") {
  Automatic it;
  SECTION("between the analysis and the load") {
    it.loader.rows.on_load = [&](auto) {
      it.invalidate(schema_of_all());
      it.loader.rows.on_load = nullptr;
      return LoadedRows{number(1)};
    };
  }
  SECTION("while the database is asked about the text") {
    it.loader.oracle.on_ask = [&] {
      it.invalidate(schema_of_all());
      it.loader.oracle.on_ask = nullptr;
    };
  }
  CHECK(it.read().stored == Stored::invalidated);
  CHECK(it.read().stored == Stored::yes);
  CHECK(it.read().is_hit());
  CHECK(it.loader.oracle.asked == 2);
}

TEST_CASE("automatic: a replica that is behind the definitions that were asked for is no answer",
          "[automatic]") {
  WithReplica it;
  const SharedStamp before{it.log.now().epoch, it.log.now().snapshot.horizon(), {}};
  it.loader.on_replica = [&] { return LoadedRows{number(1), before, Stored::yes, true}; };
  it.loader.rows.value = 2;
  it.log.append_tracked("rows", "public:former");  // which the query has read up to now
  it.subscriber.catch_up();
  it.log.append_tracked("schema", "schema");
  SECTION("the log tells of them") {
    CHECK(it.query(1).fetch_as<std::int64_t>().front() == 2);
    CHECK(it.query(1).fetch_as<std::int64_t>().front() == 2);
    CHECK(it.loader.oracle.asked == 2);  // they have changed since the first question
  }
  SECTION("the log can't be read") {
    it.outbox.down = true;
    const ReadPolicy kept_never{.keep_if = RowsRule([](const ResultSet&) { return false; })};
    CHECK(it.query(1).policy(kept_never).fetch_as<std::int64_t>().front() == 2);
    CHECK(it.query(1).fetch_as<std::int64_t>().front() == 2);
  }
}

TEST_CASE("automatic: what can't be judged is not kept", "[automatic]") {
  Automatic it;
  std::string why;
  SECTION("it is refused") {
    it.loader.oracle.answer = {Verdict::refuse, "it calls random()", {}};
    why = "it calls random()";
  }
  SECTION("it depends on more than triggers report") {
    it.loader.oracle.answer = {Verdict::ttl_only, "public:product is not tracked", {}};
    why = "public:product is not tracked";
  }
  SECTION("nobody can tell") {
    it.loader.can_tell = false;
    why = "nobody here can be asked what it depends on";
  }
  for (int i = 0; i < 2; ++i) {
    const Outcome outcome = it.read();
    CHECK(outcome.status == ReadStatus::bypass);
    CHECK(outcome.stored == Stored::unproven);
    CHECK(outcome.why() == why);
    CHECK_FALSE(outcome.unverified);
  }
  CHECK(it.loader.oracle.asked == (it.loader.can_tell ? 1 : 0));
  CHECK(it.prepared()(std::int64_t{1}).outcome().stored == Stored::unproven);
}

TEST_CASE("automatic: on request what is not tracked is kept for a time", "[automatic]") {
  Automatic it;
  it.loader.oracle.answer = {Verdict::ttl_only, "public:product is not tracked", {}};
  const auto read = [&] { return it.query(1).untracked_ok(30s).ttl(1h).fetch().outcome(); };
  CHECK(read().stored == Stored::yes);
  it.clock.advance(29s);
  CHECK(read().is_hit());
  it.clock.advance(2s);
  CHECK(read().status == ReadStatus::miss);
  it.loader.oracle.answer = {Verdict::refuse, "it calls random()", {}};
  it.invalidate(schema_of_all());
  CHECK(read().stored == Stored::unproven);
  CHECK_THROWS_AS(it.query(1).untracked_ok(-1s), ConfigError);
}

TEST_CASE("automatic: what is kept on request alone is told from what is proved", "[automatic]") {
  Automatic it;
  const auto tier = std::make_shared<FakeTier>();
  it.source.attach(tier);
  it.loader.oracle.answer = {Verdict::ttl_only, "public:product is not tracked", {}};
  const auto read = [&](TimeSpan longest = 30s) {
    return it.query(1).untracked_ok(longest).fetch().outcome();
  };
  const auto prepared = it.prepared().untracked_ok(30s);
  const auto unverified = [&] { return it.cache.stats().unverified; };

  const Outcome loaded = read();  // it is what the database has
  CHECK_FALSE(loaded.unverified);
  CHECK(loaded.why() == "public:product is not tracked");
  CHECK(read().unverified);
  CHECK(prepared(std::int64_t{1}).outcome().unverified);
  CHECK(read().why() == "it depends on more than triggers report");
  CHECK(unverified() == 3);
  const Outcome shared = read(20s);  // it is kept apart in memory
  CHECK(shared.origin == Origin::shared_tier);
  CHECK(shared.unverified);
  CHECK(read(20s).unverified);
  CHECK(unverified() == 5);
  CHECK(it.query(1).untracked_ok(20s).strong().fetch().outcome().unverified);
  CHECK(unverified() == 6);

  it.loader.oracle.answer = by_id();
  it.invalidate(schema_of_all());
  const Outcome proved = read();
  CHECK(proved.stored == Stored::yes);
  CHECK(proved.why().empty());
  CHECK(read().is_hit());
  CHECK_FALSE(read().unverified);
  CHECK(unverified() == 6);
}

TEST_CASE("automatic: reasons of ten thousand texts and more are told, without an end",
          "[automatic]") {
  Analysis analysis{Verdict::refuse, {}, {}};
  std::set<std::string_view> told;
  for (int i = 0; i < 12'000; ++i) {
    analysis.why = "it calls f" + std::to_string(i) + "()";
    told.insert(lasting_why(analysis, {}));
  }
  CHECK(told.count("it calls f0()") == 1);
  CHECK(told.count("db.analyse(sql) says why") == 1);
  CHECK(told.size() <= 10'001);
  analysis.why = "it calls f0()";
  CHECK(lasting_why(analysis, {}) == "it calls f0()");
}

TEST_CASE("automatic: a query that declares its tags shares nothing with one that does not",
          "[automatic]") {
  Automatic it;
  static_cast<void>(Query(it.source, it.loader, kSql, Parameters(std::int64_t{1})).fetch());
  CHECK(it.read().status == ReadStatus::miss);
  CHECK(it.loader.oracle.asked == 1);
}

TEST_CASE("automatic: declared tags only add", "[automatic]") {
  Automatic it;
  const auto read = [&] { return it.query(1).tag(tag("price")).fetch().outcome(); };
  static_cast<void>(read());
  CHECK(read().is_hit());
  it.invalidate(tag("price"));
  CHECK(read().status == ReadStatus::miss);
  CHECK(read().is_hit());
  it.invalidate(Automatic::row("1"));
  CHECK(read().status == ReadStatus::miss);
}

TEST_CASE("automatic: where the database can't be asked, the read fails as its load would",
          "[automatic]") {
  Automatic it;
  it.loader.oracle.on_ask = [] { throw Error("connection refused", {.retryable = true}); };
  CHECK_THROWS_WITH(it.query(1).fetch(), "connection refused");
  CHECK(it.loader.rows.loads == 0);
  it.loader.oracle.on_ask = nullptr;
  CHECK(it.read().stored == Stored::yes);
}

TEST_CASE("automatic: explain tells what was found out, and by what a value has died",
          "[automatic][explain]") {
  Automatic it;
  const auto by_id = it.prepared();
  const Explanation cold = by_id.explain(std::int64_t{1});
  CHECK(cold.automatic);
  CHECK_FALSE(cold.analysis);
  CHECK(it.loader.oracle.asked == 0);
  CHECK(describe(cold).find("not found out yet") != std::string::npos);

  static_cast<void>(by_id(std::int64_t{1}));
  const Explanation warm = by_id.explain(std::int64_t{1});
  REQUIRE(warm.analysis);
  CHECK_FALSE(warm.analysis_outdated);
  CHECK_FALSE(warm.not_cached);
  CHECK(warm.served());
  CHECK(warm.targets == std::vector<Target>{Automatic::row("1"), all_rows_of(kProduct),
                                            schema_of_all(), by_id.key(std::int64_t{1})});
  for (const char* part : {"row public:product:id:1", "all rows of public:product", "definitions",
                           "automatic cache", "public:product by id = $1"}) {
    INFO(part);
    CHECK(describe(warm).find(part) != std::string::npos);
  }

  it.invalidate(Automatic::row("1"));
  const Explanation dead = by_id.explain(std::int64_t{1});
  REQUIRE(dead.death);
  CHECK(dead.death->by == "row public:product:id:1");
  CHECK(dead.death->position);

  static_cast<void>(by_id(std::int64_t{1}));
  it.invalidate(schema_of_all());
  const Explanation redefined = by_id.explain(std::int64_t{1});
  CHECK(redefined.analysis_outdated);
  REQUIRE(redefined.death);
  CHECK(redefined.death->by == "definitions");
  CHECK(describe(redefined).find("outdated by a change of definitions") != std::string::npos);
  CHECK(it.loader.oracle.asked == 1);
  CHECK_FALSE(Query(it.source, it.loader, kSql, Parameters(std::int64_t{1})).explain().automatic);
  CHECK_FALSE(explain<int>(it.source, "name", {.tagging = Tags::automatic}).automatic);
}

TEST_CASE("automatic: explain tells why a query is not kept", "[automatic][explain]") {
  Automatic it;
  it.loader.oracle.answer = {Verdict::ttl_only, "public:product is not tracked", {}};
  static_cast<void>(it.read());
  const Explanation found = it.query(1).explain();
  CHECK(found.not_cached == Stored::unproven);
  CHECK(found.unproven == "public:product is not tracked");
  CHECK(describe(found).find("found out: public:product is not tracked") != std::string::npos);
  static_cast<void>(it.query(1).untracked_ok(1s).fetch());
  CHECK_FALSE(it.query(1).untracked_ok(1s).explain().not_cached);
  it.loader.oracle.answer = by_id();
  it.loader.oracle.answer.dates = {0};
  it.invalidate(schema_of_all());
  const auto query =
      Query(it.source, it.loader, kSql, Parameters("today")).tagging(Tags::automatic);
  static_cast<void>(query.fetch());
  CHECK(query.explain().unproven.find("'today'") != std::string::npos);
}

TEST_CASE("automatic: what one takes unproved is not served to who does not", "[automatic]") {
  Automatic it;
  it.loader.oracle.answer = {Verdict::ttl_only, "public:product is not tracked", {}};
  static_cast<void>(it.query(1).untracked_ok(1h).ttl(1h).fetch());
  CHECK(it.query(1).untracked_ok(1h).ttl(1h).fetch().outcome().is_hit());
  CHECK(it.query(1).ttl(1h).fetch().outcome().stored == Stored::unproven);
  it.clock.advance(10s);
  CHECK(it.query(1).untracked_ok(5s).ttl(1h).fetch().outcome().status == ReadStatus::miss);
  const auto taken = it.prepared().ttl(1h).untracked_ok(1h);
  static_cast<void>(taken(std::int64_t{1}));
  CHECK(taken(std::int64_t{1}).outcome().is_hit());
  CHECK(it.prepared().ttl(1h)(std::int64_t{1}).outcome().stored == Stored::unproven);
}

TEST_CASE("automatic: a shared tier's value is no older than is taken unproved", "[automatic]") {
  Automatic it;
  const auto tier = std::make_shared<FakeTier>();
  it.source.attach(tier);
  it.loader.oracle.answer = {Verdict::ttl_only, "public:product is not tracked", {}};
  static_cast<void>(it.query(1).untracked_ok(1h).ttl(1h).fetch());
  it.clock.advance(10s);
  CHECK(it.query(1).untracked_ok(1min).ttl(1h).fetch().outcome().origin == Origin::shared_tier);
  CHECK(it.query(1).untracked_ok(5s).ttl(1h).fetch().outcome().origin == Origin::database);
}

TEST_CASE("automatic: what is vouched for is part of what is asked, and of what is kept",
          "[automatic]") {
  Automatic it;
  static_cast<void>(it.query(1).reads("audit").pure("f").fetch());
  CHECK(it.loader.oracle.promised == Promises{{"audit"}, {"f"}});
  CHECK(it.query(1).reads("audit").pure("f").fetch().outcome().is_hit());
  it.loader.oracle.answer = {Verdict::ttl_only, "what f reads is not known", {}};
  CHECK(it.read().stored == Stored::unproven);
  CHECK(it.query(1).reads("audit").fetch().outcome().stored == Stored::unproven);
  CHECK(it.loader.oracle.asked == 3);
  CHECK(it.prepared().reads("audit").pure("f")(std::int64_t{1}).outcome().is_hit());
  CHECK_FALSE(it.prepared().reads("audit")(std::int64_t{1}).outcome().is_hit());
  CHECK(it.loader.oracle.asked == 3);
}

TEST_CASE("automatic: what is known for this moment alone is asked for again", "[automatic]") {
  Automatic it;
  it.loader.oracle.answer = {.verdict = Verdict::refuse, .why = "locked", .passing = true};
  CHECK(it.read().stored == Stored::unproven);
  it.loader.oracle.answer = by_id();
  CHECK(it.read().stored == Stored::yes);
  CHECK(it.loader.oracle.asked == 2);
}

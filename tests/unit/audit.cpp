// Hits that are checked against the database.

#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "querymark/key/tracked.hpp"
#include "refreshing.hpp"
#include "support/tier_double.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

struct Audited : Refreshing {
  Audited() {
    source.reset();
    source.emplace(cache,
                   SourceOptions{.scope = {.namespace_name = "shop"},
                                 .mark_cells = 16'384,
                                 .audit = {.share = 1, .on_failure = [this](const auto& what) {
                                             failures.push_back(what);
                                           }}});
    source->marks().restart(ReadFixture::upto(10));
    source->marks().trust_until(MonotonicTime::max());
  }
  ~Audited() { source->end_background(); }
  Audited(const Audited&) = delete;
  Audited& operator=(const Audited&) = delete;
  ReadStats stats() { return cache.stats(); }

  std::vector<AuditFailure> failures;
};

const std::string kSql = "select n from product";

// Whose tables report what is written to them, whether anybody declares tags or not.
struct Telling final : Loader, Analyser {
  LoadedRows load(std::string_view sql, std::span<const ParameterView> parameters) override {
    return rows.load(sql, parameters);
  }
  Analyser* analyser() noexcept override { return this; }
  Analysis analyse(std::string_view /*sql*/, const Promises& /*promises*/) override {
    if (fails) throw Error("no server");
    return answer;
  }
  FakeLoader rows;
  Analysis answer{Verdict::cache, "", {{"public:product"}, {"public:shop"}}};
  bool fails = false;
};

struct Opaque {
  explicit Opaque(std::int64_t from) : n(from) {}
  std::int64_t n;
};

}  // namespace

TEST_CASE("audit: a hit that is what the database has agrees with it", "[audit]") {
  Audited it;
  const auto query = it.prepare(kSql).tag(tag("product"));
  static_cast<void>(query());
  CHECK(query().outcome().is_hit());
  it.settle();
  static_cast<void>(it.query(kSql).tag(tag("product")).fetch());
  CHECK(it.query(kSql).tag(tag("product")).fetch().outcome().is_hit());
  it.settle();
  CHECK(it.stats().audits_agreed >= 2);
  CHECK(it.stats().audits_wrong == 0);
  CHECK(it.failures.empty());
}

TEST_CASE("audit: a change that nobody has told of is found, told, and flushed", "[audit]") {
  Audited it;
  const auto query = it.prepare(kSql).tag(tag("product")).name("products");
  static_cast<void>(query());
  it.loader.value = 2;
  CHECK(Audited::value(query()) == 1);
  it.settle();
  CHECK(it.stats().audits_wrong == 1);
  REQUIRE(it.failures.size() == 1);
  CHECK(it.failures[0].query == kSql);
  CHECK(it.failures[0].name == "products");
  CHECK(it.failures[0].targets == std::vector<std::string>{"product"});
  CHECK(Audited::value(query()) == 2);
}

TEST_CASE("audit: of a difference the table is told that has reported a change, and no tag is of",
          "[audit]") {
  Audited it;
  Telling loader;
  const auto query =
      Prepared<ResultSet, detail::NoMapper>(*it.source, loader, kSql, {}).tag(tag("shop"));
  it.invalidate(any_row_of("public:shop"));  // before it is loaded
  it.clock.advance(1s);
  static_cast<void>(query());
  const auto found = [&] {
    it.clock.advance(1s);
    CHECK(Audited::value(query()) == 1);
    it.settle();
    REQUIRE(it.failures.size() == 1);
    return it.failures[0];
  };
  loader.rows.value = 2;
  SECTION("one that reports") {
    it.clock.advance(1s);
    it.invalidate(any_row_of("public:product"));
    static_cast<void>(query());  // raises what the entry is known to include
    it.settle();
    REQUIRE(it.failures.size() == 1);
    const AuditFailure failure = it.failures[0];
    CHECK(failure.reads == std::vector<std::string>{"public:product", "public:shop"});
    CHECK(failure.changed == std::vector<std::string>{"public:product"});
    CHECK(failure.str() ==
          "nobody told of a change behind \"select n from product\": none of its tags is of "
          "public:product, where triggers have reported one");
  }
  SECTION("none") {
    const AuditFailure failure = found();
    CHECK(failure.changed.empty());
    CHECK_THAT(failure.str(), Catch::Matchers::EndsWith("it reads public:product, public:shop, of "
                                                        "which no change was reported"));
  }
  SECTION("one that is not tracked") {
    loader.answer.why = "public:product is not tracked";
    CHECK_THAT(found().str(), Catch::Matchers::EndsWith("; public:product is not tracked"));
  }
  SECTION("none that can be asked for") {
    loader.fails = true;
    CHECK(found().reads.empty());
    CHECK_THAT(it.failures[0].str(), Catch::Matchers::Contains("can't be found out: no server"));
  }
  CHECK(it.stats().audits_wrong == 1);
}

TEST_CASE("audit: what is wrong leaves the shared tiers, too, for other processes", "[audit]") {
  Audited it;
  const auto server = std::make_shared<TierDoubleServer>();
  const auto tier = std::make_shared<TierDouble>(server, it.clock, 1U << 20U);
  it.source->attach(tier);
  const auto query = it.prepare(kSql).tag(tag("product"));
  static_cast<void>(query());
  CHECK(server->values.size() == 1);
  it.loader.value = 2;
  CHECK(Audited::value(query()) == 1);
  it.settle();
  CHECK(it.stats().audits_wrong == 1);
  CHECK(server->values.empty());
  CHECK(Audited::value(query()) == 2);
}

TEST_CASE("audit: how many nines are proven, by the bound of Clopper and Pearson", "[audit]") {
  const auto of = [](std::uint64_t agreed, std::uint64_t wrong) {
    return ReadStats{.audits_agreed = agreed, .audits_excused = 1'000'000, .audits_wrong = wrong};
  };
  CHECK(of(0, 0).audit_bound() == 1);
  CHECK(of(0, 0).audit_nines() == 0);
  CHECK(of(0, 5).audit_bound() == 1);
  CHECK(of(1, 0).audit_bound() == Approx(0.95));
  CHECK(of(1000, 0).audit_bound() == Approx(0.0029912).epsilon(1e-4));
  CHECK(of(2994, 0).audit_nines() == 2);
  CHECK(of(2995, 0).audit_nines() == 3);  // the rule of three: 3 / 0.001, less the last digit
  CHECK(of(2'995'733, 0).audit_nines() == 6);
  // R: binom.test(x, n, alternative = "less")$conf.int
  CHECK(of(99, 1).audit_bound() == Approx(0.0465592).epsilon(1e-3));
  CHECK(of(0, 1).audit_bound() == 1);
  CHECK(of(1'000'000'000'000, 1).audit_nines() == 11);
  CHECK(of(10, 1'000'000'000'000).audit_bound() <= 1);
  CHECK(of(7, 2).audited() == 1'000'009);
}

TEST_CASE("audit: a difference that an invalidation tells of is excused", "[audit]") {
  Audited it;
  const auto query = it.prepare(kSql).tag(tag("product"));
  static_cast<void>(query());
  it.loader.on_load = [&](auto) {
    it.invalidate(tag("product"));  // the log shows it after the load
    it.loader.on_load = nullptr;
    return LoadedRows{number(2)};
  };
  CHECK(query().outcome().is_hit());
  it.settle();
  CHECK(it.stats().audits_excused == 1);
  CHECK(it.stats().audits_wrong == 0);
}

TEST_CASE("audit: a load that fails proves nothing", "[audit]") {
  Audited it;
  const auto query = it.prepare(kSql);
  static_cast<void>(query());
  it.loader.on_load = [](auto) -> LoadedRows { throw Error("no server"); };
  CHECK(query().outcome().is_hit());
  it.settle();
  CHECK(it.stats().audits_agreed + it.stats().audits_wrong + it.stats().audits_excused == 0);
  CHECK(query().outcome().is_hit());
}

TEST_CASE("audit: a tagger that throws behind the caller's back costs the audit alone", "[audit]") {
  Audited it;
  static bool throws;
  throws = false;
  const auto query = it.prepare(kSql).tag([] {
    if (throws) throw 42;  // which need be no std::exception
    return tag("product");
  });
  static_cast<void>(query());
  throws = true;  // a hit does not ask it
  CHECK(query().outcome().is_hit());
  it.settle();
  CHECK(it.stats().refreshes_refused == 1);
  CHECK(it.stats().audits_agreed == 0);
}

TEST_CASE("audit: objects are compared field by field, and those that can't be are counted",
          "[audit]") {
  Audited it;
  struct Product {
    std::int64_t n;
  };
  const Prepared<Product, detail::AutoMapper<Product>> typed(*it.source, it.loader, kSql, {});
  static_cast<void>(typed());
  static_cast<void>(typed());
  it.settle();
  CHECK(it.stats().audits_agreed == 1);
  it.loader.value = 2;
  static_cast<void>(typed());
  it.settle();
  CHECK(it.stats().audits_wrong == 1);
  const auto opaque = [](const Row& row) { return Opaque(row[0].as<std::int64_t>()); };
  const Prepared<Opaque, decltype(opaque)> untyped(*it.source, it.loader, kSql, opaque);
  static_cast<void>(untyped());
  static_cast<void>(untyped());
  it.settle();
  CHECK(it.stats().audits_incomparable == 1);
}

TEST_CASE("audit: what is no number is like itself", "[audit]") {
  struct Price {
    double value;
    std::optional<std::string> note;
  };
  CHECK(detail::same_value(Price{std::nan(""), "a"}, Price{std::nan(""), "a"}) == true);
  CHECK(detail::same_value(Price{1, "a"}, Price{1, std::nullopt}) == false);
  CHECK(detail::same_value(Opaque(1), Opaque(1)) == std::nullopt);
}

TEST_CASE("audit: a share of the hits is checked, without an executor none", "[audit]") {
  Cache bare{{.memory_bytes = 8U << 20U}};
  CHECK_THROWS_AS(Source(bare, {.scope = {.namespace_name = "shop"}, .audit = {.share = 0.5}}),
                  ConfigError);
  Refreshing with;
  CHECK_THROWS_AS(Source(with.cache, {.scope = {.namespace_name = "shop"}, .audit = {.share = 2}}),
                  ConfigError);
  CHECK_THROWS_AS(
      Source(with.cache, {.scope = {.namespace_name = "shop"}, .audit = {.share = std::nan("")}}),
      ConfigError);
  CHECK(detail::audited_one_of({.share = 0.001}) == 1000);
  CHECK(detail::audited_one_of({.share = 1e-300}) > 1'000'000);
  std::size_t sampled = 0;
  for (int i = 0; i < 100'000; ++i) sampled += detail::is_sampled(100) ? 1 : 0;
  CHECK(sampled > 800);
  CHECK(sampled < 1200);
}

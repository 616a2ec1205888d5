// Hits that are checked against the database.

#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "refreshing.hpp"

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

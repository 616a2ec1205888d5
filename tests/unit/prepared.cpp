#include "querymark/read/prepared.hpp"

#include <atomic>
#include <barrier>
#include <catch2/catch.hpp>
#include <stdexcept>
#include <thread>

#include "unit/read_fixture.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::first;
using test::number;
using test::ReadFixture;

constexpr const char* kSql = "select n from numbers where id = ?";

int tags_built = 0;

Target product(int id) { return entity("product", id); }
Target customer(int id) { return entity("customer", id); }

}  // namespace

TEST_CASE("prepared: a miss loads, a hit is the same object and decodes nothing", "[prepared]") {
  struct Product {
    std::int64_t id;
  };
  ReadFixture f;
  const auto by_id = f.prepare<Product>(kSql);
  const Rows<Product> first = by_id(7);
  CHECK(first.outcome().status == ReadStatus::miss);
  const Rows<Product> second = by_id(7);
  CHECK(second.outcome().status == ReadStatus::hit);
  CHECK(&second.front() == &first.front());
  CHECK(f.loader.loads == 1);
  CHECK_FALSE(by_id(8).outcome().is_hit());
}

TEST_CASE("prepared: one that was moved from is called like any other", "[prepared]") {
  ReadFixture f;
  auto from = f.prepare<std::int64_t>(kSql);
  const auto to = std::move(from);
  (void)to(7);
  CHECK(from(7).outcome().is_hit());  // NOLINT(bugprone-use-after-move): it is what is tested.
}

TEST_CASE("prepared: untyped results work as well", "[prepared]") {
  ReadFixture f;
  const auto by_id = f.prepare(kSql);
  const Result first = by_id(7);
  const Result second = by_id(7);
  CHECK(second.outcome().is_hit());
  CHECK(second.set().encoded().data() == first.set().encoded().data());
  CHECK(f.query(kSql, 7).fetch().outcome().is_hit());  // the ad-hoc form is the same query
}

TEST_CASE("prepared: tags are built on a miss only", "[prepared]") {
  ReadFixture f;
  tags_built = 0;
  const auto by_id = f.prepare<int>(kSql).tag([](int id) {
    ++tags_built;
    return entity("product", id);
  });
  (void)by_id(7);
  CHECK(tags_built == 1);
  for (int i = 0; i < 10; ++i) CHECK(by_id(7).outcome().is_hit());
  CHECK(tags_built == 1);
  f.invalidate(product(7));
  CHECK_FALSE(by_id(7).outcome().is_hit());
  CHECK(tags_built == 2);
}

TEST_CASE("prepared: tags come from the parameters of the call", "[prepared]") {
  ReadFixture f;
  const auto by_id =
      f.prepare<int>(kSql).tag([](int id) { return entity("product", id); }).tag(tag("all"));
  (void)by_id(7);
  (void)by_id(8);
  f.invalidate(product(7));
  CHECK_FALSE(by_id(7).outcome().is_hit());
  CHECK(by_id(8).outcome().is_hit());
  f.invalidate(tag("all"));
  CHECK_FALSE(by_id(7).outcome().is_hit());
  CHECK_FALSE(by_id(8).outcome().is_hit());
}

TEST_CASE("prepared: the same text with other taggers has entries of its own", "[prepared]") {
  ReadFixture f;
  const auto plain = f.prepare<int>(kSql);
  const auto by_product = plain.tag([](int id) { return product(id); });
  const auto by_customer = plain.tag([](int id) { return customer(id); });
  (void)by_product(7);
  CHECK_FALSE(by_customer(7).outcome().is_hit());
  f.invalidate(customer(7));
  CHECK(by_product(7).outcome().is_hit());
  CHECK_FALSE(by_customer(7).outcome().is_hit());
  (void)plain(7);
  const auto constant = plain.tag(tag("x"));
  CHECK_FALSE(constant(7).outcome().is_hit());
  CHECK_FALSE(plain.tag(tag("y"))(7).outcome().is_hit());
  CHECK(plain.tag(tag("x"))(7).outcome().is_hit());
}

TEST_CASE("prepared: constant tags whose texts run together are not taken for each other",
          "[prepared]") {
  ReadFixture f;
  const auto plain = f.prepare<int>(kSql);
  const auto one_tag = plain.tag(tag("a/tag", "b"));
  const auto two_tags = plain.tag(tag("a")).tag(tag("b"));
  (void)one_tag(7);
  CHECK_FALSE(two_tags(7).outcome().is_hit());
  f.invalidate(tag("a"));
  CHECK_FALSE(two_tags(7).outcome().is_hit());
}

TEST_CASE("prepared: taggers with state are asked at each hit", "[prepared]") {
  ReadFixture f;
  const auto plain = f.prepare<int>(kSql);
  const auto by_product = plain.tag(&product);
  const auto by_customer = plain.tag(&customer);  // another function of the same type
  (void)by_product(7);
  CHECK(by_product(7).outcome().is_hit());
  CHECK_FALSE(by_customer(7).outcome().is_hit());
  CHECK(by_customer(7).outcome().is_hit());
  f.invalidate(customer(7));
  CHECK_FALSE(by_product(7).outcome().is_hit());  // the entry carries both sets by now
  const std::string kind = "vendor";
  const auto captured = plain.tag([kind](int id) { return entity(kind, id); });
  (void)captured(7);
  f.invalidate(entity("vendor", 7));
  CHECK_FALSE(captured(7).outcome().is_hit());
}

TEST_CASE("prepared: a key intent hits exactly its parameters", "[prepared]") {
  ReadFixture f;
  const auto by_id = f.prepare<int>(kSql).tag([](int id) { return product(id); });
  (void)by_id(7);
  (void)by_id(8);
  CHECK(by_id.key(7) == f.query(kSql, 7).key());
  f.invalidate(by_id.key(7));
  CHECK_FALSE(by_id(7).outcome().is_hit());
  CHECK(by_id(8).outcome().is_hit());
}

TEST_CASE("prepared: scope and time to live are settings of a copy", "[prepared]") {
  ReadFixture f;
  const auto base = f.prepare<int>(kSql);
  const auto tenant = base.scope("tenant-2");
  (void)base(7);
  CHECK_FALSE(tenant(7).outcome().is_hit());
  CHECK_FALSE(tenant.key(7) == base.key(7));
  const auto brief = base.ttl(10s);
  f.clock.advance(10s);
  CHECK(base(7).outcome().is_hit());
  CHECK_FALSE(brief(7).outcome().is_hit());
  f.clock.advance(10s);
  CHECK_FALSE(base(7).outcome().is_hit());  // loaded by the brief one: the shorter time wins
}

TEST_CASE("prepared: one query can be switched off and on, for all copies of its handle",
          "[prepared]") {
  ReadFixture f;
  auto by_id = f.prepare<int>(kSql);
  const auto copy = by_id;
  (void)by_id(7);
  by_id.set_enabled(false);
  f.loader.value = 2;
  const Rows<int> off = copy(7);
  CHECK(off[0] == 2);
  CHECK(off.outcome().status == ReadStatus::bypass);
  CHECK(off.outcome().stored == Stored::disabled);
  by_id.set_enabled(true);
  CHECK(first(copy(7)) == 1);
}

TEST_CASE("prepared: a cache that is switched off passes every read on and keeps nothing",
          "[prepared]") {
  ReadFixture f;
  const auto by_id = f.prepare<int>(kSql).tag([](int id) { return product(id); });
  (void)by_id(7);
  f.cache.set_enabled(false);
  f.loader.value = 2;
  CHECK(first(by_id(7)) == 2);
  CHECK(by_id(8).outcome().stored == Stored::disabled);
  f.invalidate(product(7));  // is heard all the same
  f.cache.set_enabled(true);
  CHECK(f.cache.stats().entries == 1);
  CHECK(first(by_id(7)) == 2);
  CHECK(f.cache.stats().bypassed == 2);
}

TEST_CASE("prepared: a thousand rows are mapped once", "[prepared]") {
  static int mapped = 0;
  mapped = 0;
  ReadFixture f;
  f.loader.on_load = [](std::span<const ParameterView>) {
    ResultSetBuilder builder;
    builder.add_column("n");
    for (int i = 0; i < 1000; ++i) builder.add(ParameterView::int64(i));
    return LoadedRows{std::move(builder).build(), std::nullopt, Stored::yes};
  };
  const auto mapper = [](const Row& row) {
    ++mapped;
    return row[0].as<int>();
  };
  const Prepared<int, decltype(mapper)> all(f.source, f.loader, "select n from numbers", mapper);
  for (int i = 0; i < 5; ++i) {
    const Rows<int> rows = all();
    CHECK(rows[999] == 999);
  }
  CHECK(mapped == 1000);
}

TEST_CASE("prepared: a load whose mapping fails is an error for its caller", "[prepared]") {
  ReadFixture f;
  const auto wrong = f.prepare<std::string>(kSql);
  CHECK_THROWS_AS(wrong(7), TypeError);
  CHECK(f.cache.stats().entries == 0);
}

TEST_CASE("prepared: a value larger than memory takes is returned and not kept", "[prepared]") {
  ReadFixture f;
  f.loader.on_load = [](std::span<const ParameterView>) {
    ResultSetBuilder builder;
    builder.add_column("text");
    builder.add(as_parameter(std::string(9U << 20U, 'x')));
    return LoadedRows{std::move(builder).build(), std::nullopt, Stored::yes};
  };
  const auto large = f.prepare(kSql);
  const Result result = large(7);
  CHECK(result[0][0].view().size() == 9U << 20U);
  CHECK(result.outcome().stored == Stored::oversize);
  CHECK(f.cache.stats().oversize == 1);
}

TEST_CASE("prepared: callers that miss at once share one load and one error", "[prepared]") {
  constexpr int kCallers = 8;
  ReadFixture f;
  const auto by_id = f.prepare<int>(kSql);
  std::barrier start(kCallers);
  std::atomic<int> right{0};
  std::atomic<int> failed{0};
  const auto call_at_once = [&] {
    std::vector<std::jthread> callers;
    for (int i = 0; i < kCallers; ++i) {
      callers.emplace_back([&] {
        start.arrive_and_wait();
        try {
          if (first(by_id(7)) == 1) right.fetch_add(1);
        } catch (const std::runtime_error&) {
          failed.fetch_add(1);
        }
      });
    }
  };
  f.loader.on_load = [](std::span<const ParameterView>) {
    return LoadedRows{number(1), std::nullopt, Stored::yes};
  };
  call_at_once();
  CHECK(right == kCallers);
  CHECK(f.loader.loads == 1);
  f.loader.on_load = [&](std::span<const ParameterView>) -> LoadedRows {
    throw std::runtime_error("no such table");
  };
  f.invalidate(by_id.key(7));
  call_at_once();
  CHECK(failed == kCallers);
  CHECK(f.cache.stats().load_failures == static_cast<std::uint64_t>(f.loader.loads - 1));
}

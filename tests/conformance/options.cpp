// Options that make no sense are refused by name, on every database.

#include <catch2/catch.hpp>

#include "support/errors.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

// What opening with these options is told; fails the test when that is no ConfigError.
template <class World>
std::string refusal(const World& world, const typename World::Options& options) {
  Cache cache;
  try {
    const typename World::Database db(world.address(), cache, options);
  } catch (const ConfigError& error) {
    return error.what();
  }
  FAIL_CHECK("it was opened");
  return {};
}

template <class Options>
void set_connections(Options& options, std::size_t count) {
  if constexpr (requires { options.readers; })
    options.readers = count;
  else
    options.connections = count;
}

}  // namespace

TEMPLATE_TEST_CASE("options: what makes no sense is refused by name", "[options]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  const auto told = [&](auto change) {
    auto options = TestType::Process::quick();
    change(options);
    return refusal(world, options);
  };
  CHECK_THAT(told([](auto& o) { o.max_lag = 0s; }), Contains("max_lag must be longer than zero"));
  CHECK_THAT(told([](auto& o) { o.max_lag = -1h; }), Contains("max_lag must be longer than zero"));
  CHECK_THAT(told([](auto& o) { o.poll_interval = 0s; }),
             Contains("poll_interval must be longer than zero"));
  CHECK_THAT(told([](auto& o) { o.default_ttl = -1s; }), Contains("default_ttl can't be negative"));
  CHECK_THAT(told([](auto& o) { o.namespace_name = ""; }),
             Contains("namespace_name can't be empty"));
  CHECK_THAT(told([](auto& o) { set_connections(o, 0); }), Contains("must be at least 1"));
}

TEMPLATE_TEST_CASE("options: spans without an end are sensible", "[options]", QUERYMARK_WORLDS) {
  const TestType world;
  auto options = TestType::Process::quick();
  options.max_lag = std::chrono::hours::max();
  options.poll_interval = std::chrono::hours::max();
  options.default_ttl = std::chrono::hours::max();
  typename TestType::Process process(world.shop, options);
  static_cast<void>(process.price(1));
  CHECK(process.price(1).outcome().is_hit());
}

TEMPLATE_TEST_CASE("options: a tier comes before the first read, or not at all", "[options]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  CHECK_THROWS_AS(process.db.attach(std::shared_ptr<SharedTier>()), ConfigError);
  process.db.attach(world.tier());
  static_cast<void>(process.price(1));
  CHECK_THAT(message_of([&] { process.db.attach(world.tier()); }),
             Contains("attach() after the first read"));
  CHECK(process.price(1).outcome().is_hit());
}

#ifdef QUERYMARK_TEST_POSTGRES
TEST_CASE("options: the log of PostgreSQL is never waited for without an end", "[options]") {
  const PostgresWorld world;
  postgres::Options options = PgProcess::quick();
  options.log_timeout = 0s;
  CHECK_THAT(refusal(world, options), Contains("log_timeout must be longer than zero"));
  options = PgProcess::quick();
  options.connect_timeout = 0s;
  CHECK_THAT(refusal(world, options), Contains("connect_timeout must be longer than zero"));
}
#endif

// Two hosts' worth of processes of one service: a folder is a host.

#include <signal.h>

#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "support/child.hpp"
#include "support/pg_shop.hpp"
#include "support/redis_server.hpp"
#include "support/temp_dir.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;

namespace {

struct Host {
  [[nodiscard]] std::vector<std::string> instance(const PgShop& shop, const RedisServer& redis,
                                                  int times) const {
    return {INSTANCE_EXAMPLE, shop.url(), redis.socket_url(), dir.file("tier"),
            std::to_string(times)};
  }

  TempDir dir;
};

}  // namespace

TEST_CASE("hosts: what a process has loaded is found by those of its host and of another",
          "[process]") {
  const PgShop shop;
  const RedisServer redis;
  const Host one;
  const Host other;
  // Values of a database that was never written have no witness: nobody can tell of which history
  // they are.
  CHECK(run(one.instance(shop, redis, 100)).code == 0);
  const Finished neighbour = run(one.instance(shop, redis, 19));
  CHECK_THAT(neighbour.output, Contains("3 from the tiers, 0 from the database"));
  CHECK_THAT(neighbour.output, Contains("shop.redis: 0 of 0 found"));
  const Finished elsewhere = run(other.instance(shop, redis, 19));
  CHECK_THAT(elsewhere.output, Contains("3 from the tiers, 0 from the database"));
  CHECK_THAT(elsewhere.output, Contains("shop.redis: 3 of 3 found"));
}

TEST_CASE(
    "hosts: while four processes of two hosts write and read, none reads what is older than "
    "its own writes, and a lost server costs misses alone",
    "[process]") {
  const PgShop shop;
  RedisServer redis;
  const Host one;
  const Host other;
  std::vector<std::unique_ptr<Child>> processes;
  for (const Host* host : {&one, &other, &one, &other})
    processes.push_back(std::make_unique<Child>(host->instance(shop, redis, 400)));
  redis.stop(SIGKILL);
  redis.start();
  for (const auto& process : processes) {
    CHECK_THAT(process->rest(), Contains("; 0 older than they must be"));
    CHECK(process->join() == 0);
  }
  // Each has raised a price 20 times; 2.5, 7 and 30 they were.
  CHECK(shop.text("select sum(price) from product") == "119.5");
}

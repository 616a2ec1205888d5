// One process loads what several lack.

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <catch2/catch.hpp>
#include <memory>
#include <thread>
#include <vector>

#include "querymark/redis/redis_tier.hpp"
#include "support/redis_server.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

// Takes so long that all who ask for it at once find nothing yet.
constexpr const char* kSlow =
    "with recursive n (i) as (select 1 union all select i + 1 from n where i < 1000000) "
    "select count(*) from n, product where product.id = 1";

struct Fleet {
  explicit Fleet(std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      processes.push_back(std::make_unique<Process>(shop));
      processes.back()->db.attach(RedisTier(server.socket_url(), {.timeout = 30s}));
    }
  }
  static std::int64_t ask(Process& process, TimeSpan lease) {
    return process.db.query(kSlow).tag(tag("slow")).lease(lease).fetch()[0][0].as<std::int64_t>();
  }
  [[nodiscard]] std::uint64_t loads() const {
    std::uint64_t all = 0;
    for (const auto& process : processes) all += process->cache.stats().misses;
    return all;
  }

  RedisServer server;
  const Shop shop;
  std::vector<std::unique_ptr<Process>> processes;
};

}  // namespace

TEST_CASE("redis lease: callers of a cold key in four processes lead to one load",
          "[redis_lease]") {
  constexpr std::size_t kProcesses = 4;
  constexpr std::size_t kThreads = 8;
  Fleet fleet(kProcesses);
  std::atomic<std::size_t> right{0};
  std::barrier together(kProcesses * kThreads);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < kProcesses * kThreads; ++i)
      threads.emplace_back([&, i] {
        together.arrive_and_wait();
        if (Fleet::ask(*fleet.processes[i % kProcesses], 60s) == 1'000'000) ++right;
      });
  }
  CHECK(right == kProcesses * kThreads);
  CHECK(fleet.loads() == 1);
  CHECK(fleet.server.ask({"DBSIZE"}) == "1");  // the value; the lease was given back
}

TEST_CASE("redis lease: a holder that dies keeps the others waiting for no longer than its lease",
          "[redis_lease]") {
  Fleet fleet(2);
  RedisTier dead(fleet.server.socket_url());
  const Digest name = [&] {  // of the query, as the first process stores it
    CHECK(Fleet::ask(*fleet.processes[0], 0s) == 1'000'000);
    const std::string key = fleet.server.ask({"RANDOMKEY"});
    Digest digest;
    const auto bytes = from_hex(key.substr(key.rfind(':') + 1));
    REQUIRE((bytes && bytes->size() == digest.bytes.size()));
    std::copy(bytes->begin(), bytes->end(), digest.bytes.begin());
    return digest;
  }();
  REQUIRE(fleet.server.ask({"FLUSHALL"}) == "OK");
  REQUIRE(dead.lease("shop", name, "somebody", 3s) == LeaseAnswer::granted);
  CHECK(dead.lease("shop", name, "another", 3s) == LeaseAnswer::taken);
  dead.release("shop", name, "another");  // is not its own
  CHECK(fleet.server.ask({"DBSIZE"}) == "1");
  CHECK(Fleet::ask(*fleet.processes[1], 60s) == 1'000'000);
  CHECK(fleet.processes[1]->cache.stats().misses == 1);
  CHECK(fleet.processes[1]->cache.stats().lease_waits == 1);
}

TEST_CASE("redis lease: a server that is down costs no load and no wait", "[redis_lease]") {
  Fleet fleet(1);
  fleet.server.stop(SIGKILL);
  CHECK(Fleet::ask(*fleet.processes[0], 60s) == 1'000'000);
  CHECK(fleet.processes[0]->cache.stats().lease_waits == 0);
}

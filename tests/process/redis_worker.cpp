// A process that reads the log, one that gets it handed on by a worker, and a Redis server that is the
// tier of both and all that the second hears: to which everything happens that can.
//
// A longer run: QUERYMARK_SEED=7 test_process_redis "[long]"

#include <signal.h>

#include <catch2/catch.hpp>
#include <memory>

#include "process/differential.hpp"
#include "process/redis_nemesis.hpp"
#include "property/random.hpp"
#include "support/pg_shop.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

// A worker that is killed, and followed by another, or stopped for a while.
class WorkerNemesis {
 public:
  WorkerNemesis(std::vector<std::string> command, unsigned seed)
      : command_(std::move(command)), random_(seed) {
    calm();
  }

  void strike() {
    switch (random_() % 10) {
      case 0:
        worker_->signal(SIGKILL);
        worker_.reset();
        break;
      case 1:
        worker_->signal(SIGSTOP);
        stopped_ = true;
        break;
      default:
        break;
    }
  }
  void calm() {
    if (!worker_) worker_ = std::make_unique<Child>(command_);
    if (std::exchange(stopped_, false)) worker_->signal(SIGCONT);
  }

 private:
  std::vector<std::string> command_;
  std::mt19937 random_;
  std::unique_ptr<Child> worker_;
  bool stopped_ = false;
};

Tally over_worker(Rounds rounds) {
  const PgShop shop;
  RedisServer server;
  WorkerNemesis worker({QUERYMARK_PROGRAM, "worker", "--db", shop.url(), "--namespace", "shop",
                        "--target", server.url(), "--poll-ms", "200", "--lease-ms", "500"},
                       rounds.seed + 1000);
  RedisNemesis nemesis(server, rounds.seed);
  Child reads_log({SHOP_AGENT, shop.url(), server.socket_url()});
  Child follows({SHOP_AGENT, shop.url(), server.socket_url(), server.url()});
  rounds.cuts_off = true;
  return differential(
      reads_log, follows, rounds,
      [&] {
        nemesis.strike();
        worker.strike();
      },
      [&] {
        nemesis.calm();
        worker.calm();
      });
}

}  // namespace

TEST_CASE(
    "processes over Redis: with a worker and a follower, whatever of them is killed, stopped or "
    "put "
    "back, nothing stale is served after a satisfied wait",
    "[process]") {
  const unsigned seed = GENERATE(1U, 2U);
  CAPTURE(seed);
  const Tally tally = over_worker({.seed = seed, .count = 40});
  CHECK(tally.checked + tally.cut_off == 120);
  CAPTURE(tally.cut_off, tally.hits, tally.shared);
  CHECK(tally.cut_off > 0);
  CHECK(tally.hits > 20);
  CHECK(tally.stale == 0);
}

TEST_CASE(
    "processes over Redis: with a worker and a follower, a dropped invalidation is noticed "
    "(canary)",
    "[process]") {
  CHECK(over_worker({.seed = 1, .count = 40, .forget_every = 4}).stale > 0);
}

TEST_CASE("processes over Redis: with a worker and a follower, for long", "[.][long]") {
  const auto seed = static_cast<unsigned>(Choices::first_seed());
  CAPTURE(seed);
  const Tally tally = over_worker({.seed = seed, .count = 1'000});
  CHECK(tally.checked + tally.cut_off == 3'000);
  CHECK(tally.stale == 0);
}

// A signal handler that runs on a thread of the application's while that thread waits for the
// server: its poll(2) ends early, and the wait goes on.

#include <pthread.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <functional>
#include <future>
#include <pqxx/transaction>
#include <thread>

#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

std::atomic<int> handled{0};

// While it lives, SIGUSR1 has a handler, and a system call that it interrupts is not restarted.
class InterruptingHandler {
 public:
  InterruptingHandler() {
    struct sigaction action{};
    action.sa_handler = [](int) { handled.fetch_add(1); };
    ::sigaction(SIGUSR1, &action, &before_);
  }
  InterruptingHandler(const InterruptingHandler&) = delete;
  InterruptingHandler& operator=(const InterruptingHandler&) = delete;
  ~InterruptingHandler() { ::sigaction(SIGUSR1, &before_, nullptr); }

 private:
  struct sigaction before_{};
};

// Runs `work` on a thread that has to wait for a lock, interrupts it there several times, and only
// then lets go of the lock.
void interrupted(const PgShop& shop, const std::function<void()>& work) {
  const InterruptingHandler handler;
  pqxx::connection holder(shop.url());
  pqxx::work lock(holder);
  lock.exec("lock table product in access exclusive mode");
  std::packaged_task<void()> task(work);
  std::future<void> done = task.get_future();
  std::thread waiting(std::move(task));
  shop.await("select count(*) = 1 from pg_stat_activity where wait_event_type = 'Lock'");
  for (int i = 0; i < 5; ++i) {
    const int before = handled.load();
    REQUIRE(pthread_kill(waiting.native_handle(), SIGUSR1) == 0);
    while (handled.load() == before) std::this_thread::yield();
  }
  lock.commit();
  waiting.join();
  done.get();  // throws what it threw
}

}  // namespace

TEST_CASE("postgres: a signal that interrupts the wait for a statement does not end it",
          "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  SECTION("of a read") {
    double found = 0;
    interrupted(shop, [&] { found = only(process.price(1)); });
    CHECK(found == 2.5);
  }
  SECTION("of a write") {
    Receipt receipt;
    interrupted(shop, [&] { receipt = process.set_price(1, 3.0); });
    CHECK(receipt.intents == 1);
    CHECK_FALSE(receipt.in_doubt);
    CHECK(only(process.price(1)) == 3.0);
  }
  CHECK(process.db.stats().in_doubt == 0);
}

#include "shared_polls.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "unit/asleep.hpp"

using namespace querymark;
using Answer = SharedPolls::Answer;

namespace {

// Threads that come while somebody polls, one after the other.
struct Callers {
  explicit Callers(SharedPolls& shared) : polls(shared) {}

  // Returns once it sleeps.
  void come(bool while_failing) {
    std::atomic<long> id{0};
    threads.emplace_back([&, while_failing] {
      id = ::syscall(SYS_gettid);
      const Answer answer = polls.await(while_failing);
      if (answer == Answer::turn) {
        const SharedPolls::Turn turn(polls);
        ++made;
        polls.end(polls.begin());
      }
    });
    while (id == 0 || !test::is_asleep(id)) std::this_thread::yield();
  }
  void go() { threads.clear(); }

  SharedPolls& polls;
  std::atomic<int> made{0};
  std::vector<std::jthread> threads;
};

}  // namespace

TEST_CASE("shared polls: callers who come during a poll share the next one", "[shared_polls]") {
  SharedPolls polls;
  Callers callers(polls);
  REQUIRE(polls.await(true) == Answer::turn);
  {
    const SharedPolls::Turn turn(polls);
    const std::uint64_t first = polls.begin();
    for (int i = 0; i < 8; ++i) callers.come(i % 2 == 0);
    polls.end(first);
  }
  callers.go();
  CHECK(callers.made == 1);
  CHECK(polls.begun() == 2);
  CHECK(polls.done() == 2);
}

TEST_CASE("shared polls: who does not wait for another failure leaves nobody asleep",
          "[shared_polls]") {
  SharedPolls polls;
  Callers callers(polls);
  REQUIRE(polls.await(false) == Answer::turn);
  {
    const SharedPolls::Turn turn(polls);
    const std::uint64_t first = polls.begin();
    for (int i = 0; i < 3; ++i) callers.come(false);
    callers.come(true);
    polls.fail(first, {"gone", {.retryable = true}});
    CHECK(polls.failing());
  }
  callers.go();
  CHECK(callers.made == 1);
  CHECK_FALSE(polls.failing());
}

TEST_CASE(
    "shared polls: who came before a poll began is told of its failure, as an error of his own",
    "[shared_polls]") {
  SharedPolls polls;
  std::atomic<int> told{0};
  std::vector<std::jthread> threads;
  REQUIRE(polls.await(true) == Answer::turn);
  {
    const SharedPolls::Turn turn(polls);
    std::atomic<long> id{0};
    threads.emplace_back([&] {
      id = ::syscall(SYS_gettid);
      try {
        static_cast<void>(polls.await(true));
      } catch (const Error& failure) {
        if (failure.retryable() && std::string(failure.what()) == "gone") ++told;
      }
    });
    while (id == 0 || !test::is_asleep(id)) std::this_thread::yield();
    polls.fail(polls.begin(), {"gone", {.retryable = true}});
  }
  threads.clear();
  CHECK(told == 1);
}

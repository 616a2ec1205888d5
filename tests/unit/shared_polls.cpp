#include "shared_polls.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
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
      await(while_failing);
    });
    while (id == 0 || !test::is_asleep(id)) std::this_thread::yield();
    ids.push_back(id);
  }
  [[nodiscard]] bool asleep() const { return std::ranges::all_of(ids, test::is_asleep); }
  void await(bool while_failing) {
    try {
      if (polls.await(while_failing) != Answer::turn) return;
      const SharedPolls::Turn turn(polls);
      ++made;
      polls.end(polls.begin());
    } catch (const Error&) {
      ++told;
    }
  }
  void go() { threads.clear(); }

  SharedPolls& polls;
  std::atomic<int> made{0};
  std::atomic<int> told{0};  // of a failed poll
  std::vector<long> ids;
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

TEST_CASE("shared polls: of those whom a poll has served the last to come again polls for all",
          "[shared_polls]") {
  SharedPolls polls(std::chrono::hours(1));
  Callers callers(polls);
  REQUIRE(polls.await(true) == Answer::turn);
  {
    const SharedPolls::Turn turn(polls);
    const std::uint64_t first = polls.begin();
    callers.come(true);
    callers.come(true);
    polls.end(first);
  }
  while (!callers.asleep() && polls.begun() == 1) std::this_thread::yield();
  CHECK(polls.begun() == 1);  // the third is expected
  REQUIRE(polls.await(true) == Answer::turn);
  {
    const SharedPolls::Turn turn(polls);
    polls.end(polls.begin());
  }
  callers.go();
  CHECK(callers.made == 0);
}

TEST_CASE("shared polls: nobody is waited for after a failure", "[shared_polls]") {
  SharedPolls polls(std::chrono::hours(1));
  Callers callers(polls);
  for (const bool fails : {false, true}) {
    REQUIRE(polls.await(true) == Answer::turn);
    const SharedPolls::Turn turn(polls);
    const std::uint64_t number = polls.begin();
    callers.come(true);
    callers.come(true);
    if (fails)
      polls.fail(number, {"gone", {.retryable = true}});
    else
      polls.end(number);  // and three are expected
  }
  callers.go();
  CHECK(callers.told <= 2);  // of the failure, unless the next poll was faster
  CHECK(callers.made == 1);
}

TEST_CASE("shared polls: whoever comes is answered by a poll that began later", "[shared_polls]") {
  SharedPolls polls;
  std::atomic<int> early{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&, i] {
        for (int round = 0; round < 300 - 10 * i; ++round) {  // one after the other stays away
          const std::uint64_t begun = polls.begun();
          if (polls.await(true) == Answer::turn) {
            const SharedPolls::Turn turn(polls);
            polls.end(polls.begin());
          }
          if (polls.done() <= begun) ++early;
        }
      });
  }
  CHECK(early == 0);
}

TEST_CASE("shared polls: who did not come again is waited for ever more seldom", "[shared_polls]") {
  using std::chrono::microseconds;
  Gathering gathering;
  CHECK(gathering.complete(1));
  gathering.begins(false);
  gathering.ended(3, 2, microseconds(80));
  CHECK_FALSE(gathering.complete(4));
  CHECK(gathering.complete(5));
  CHECK(gathering.patience() == microseconds(160));
  for (const std::uint32_t pause : {32U, 64U, 128U}) {
    gathering.begins(true);
    for (std::uint32_t i = 0; i < pause; ++i) {
      gathering.ended(3, 2, microseconds(1));
      CHECK(gathering.complete(1));
      gathering.begins(false);
    }
    gathering.ended(3, 2, microseconds(1));
    CHECK_FALSE(gathering.complete(4));
  }
  CHECK(gathering.patience() == Gathering::kLeastPatience);
  gathering.ended(1, 1, std::chrono::seconds(1));
  CHECK(gathering.patience() == Gathering::kMostPatience);
  gathering.begins(false);  // all came
  gathering.ended(3, 2, microseconds(1));
  gathering.begins(true);
  for (std::uint32_t i = 0; i < 32; ++i) gathering.ended(3, 2, microseconds(1));
  gathering.ended(3, 2, microseconds(1));
  CHECK_FALSE(gathering.complete(4));
  gathering.failed();
  CHECK(gathering.complete(1));
}

// An application's signals are the application's: no thread of the library takes one.

#include <catch2/catch.hpp>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "support/rows.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

std::set<std::string> threads() {
  std::set<std::string> names;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
    names.insert(task.path().filename());
  return names;
}

// The signals that a thread blocks, as the kernel knows them: bit n - 1 is signal n. Nothing for a
// thread that has ended.
std::optional<std::uint64_t> blocked_by(const std::string& thread) {
  std::ifstream status("/proc/self/task/" + thread + "/status");
  for (std::string line; std::getline(status, line);) {
    constexpr std::string_view kName = "SigBlk:\t";
    if (!line.starts_with(kName)) continue;
    std::uint64_t mask = 0;
    std::from_chars(line.data() + kName.size(), line.data() + line.size(), mask, 16);
    return mask;
  }
  return std::nullopt;
}

std::atomic<int> delivered{0};

}  // namespace

TEMPLATE_TEST_CASE("signals: none is ever delivered to a thread of the library", "[signals]",
                   QUERYMARK_TIER_WORLDS) {
  const TestType world;
  static_cast<void>(world.shop.number("select 1"));
  const std::set<std::string> before = threads();
  typename TestType::Process process(world.shop);
  process.db.attach(world.tier());
  static_cast<void>(process.price(1));
  CHECK(process.db.wait(process.set_price(1, 2.0), Wait::local(5s)).satisfied());

  std::size_t ours = 0;
  for (const std::string& thread : threads()) {
    if (before.contains(thread)) continue;
    const auto blocked = blocked_by(thread);
    if (!blocked) continue;
    ++ours;
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD,
                             SIGPIPE, SIGPROF, SIGWINCH, SIGRTMIN, SIGRTMAX})
      CHECK((*blocked >> (signal - 1) & 1U) == 1U);
  }
  CHECK(ours > 0);

  // So one that this thread blocks stays pending, whoever else runs.
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, SIGUSR1);
  REQUIRE(pthread_sigmask(SIG_BLOCK, &one, nullptr) == 0);
  auto* const handler = std::signal(SIGUSR1, [](int) { delivered.fetch_add(1); });
  REQUIRE(kill(getpid(), SIGUSR1) == 0);
  process.set_price(1, 3.0);
  process.db.catch_up();
  CHECK(only(process.price(1)) == 3.0);
  const timespec now{};
  CHECK(sigtimedwait(&one, nullptr, &now) == SIGUSR1);
  CHECK(delivered.load() == 0);
  std::signal(SIGUSR1, handler);
  pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
}

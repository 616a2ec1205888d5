#include "soak/redis_troubles.hpp"

#include <fmt/format.h>

#include <array>
#include <csignal>

namespace querymark::test::soak {

using namespace std::chrono_literals;

Troubles RedisOfSoak::troubles() {
  return {{name_ + " killed", [this](Lots& lots) { return killed(lots); }},
          {name_ + " stopped", [this](Lots& lots) { return stopped(lots); }},
          {name_ + " emptied", [this](Lots&) { return told({"FLUSHALL"}); }},
          {name_ + " ends connections",
           [this](Lots&) { return told({"CLIENT", "KILL", "TYPE", "normal"}); }}};
}

std::optional<Struck> RedisOfSoak::told(const std::vector<std::string>& command) const {
  if (away_) return std::nullopt;
  server_.ask(command);
  return Struck{.what = fmt::format("{}: {}", name_, fmt::join(command, " "))};
}

std::optional<Struck> RedisOfSoak::killed(Lots& lots) {
  if (away_) return std::nullopt;
  const auto lasts = lots.one_of(std::array{0ms, 300ms, 1500ms});
  server_.stop(SIGKILL);
  away_ = true;
  return Struck{.what = fmt::format("{} is killed, and back in {} ms", name_, lasts.count()),
                .lasts = lasts,
                .end = [this] {
                  server_.start();
                  away_ = false;
                }};
}

std::optional<Struck> RedisOfSoak::stopped(Lots& lots) {
  if (away_) return std::nullopt;
  const auto lasts = lots.one_of(std::array{200ms, 800ms, 2000ms});
  ::kill(server_.pid(), SIGSTOP);
  away_ = true;
  return Struck{.what = fmt::format("{} stands still for {} ms", name_, lasts.count()),
                .lasts = lasts,
                .end = [this] {
                  ::kill(server_.pid(), SIGCONT);
                  away_ = false;
                }};
}

}  // namespace querymark::test::soak

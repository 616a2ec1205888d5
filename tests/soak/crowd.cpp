#include "soak/crowd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <csignal>

namespace querymark::test::soak {
namespace {

using namespace std::chrono_literals;

// Whose database is away ends at once, and is started again, but no sooner than so.
constexpr auto kBetweenStarts = 300ms;

}  // namespace

void Crowd::add(Command command) { members_.push_back({.command = std::move(command)}); }

void Crowd::look_at_the_end_of(Member& member, std::size_t number) {
  if (!member.program) return;
  const std::optional<int> status = member.program->ended();
  if (!status) return;
  if (*status < 0 && !member.killed)
    ledger_.found(fmt::format("DIED: {} {} of signal {}", name_, number, -*status));
  member.program.reset();
}

void Crowd::tend() {
  keep_small(log_);
  const auto now = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < members_.size(); ++i) {
    Member& member = members_[i];
    look_at_the_end_of(member, i);
    if (member.program || now - member.started < kBetweenStarts) continue;
    member.program = std::make_unique<Program>(member.command(++starts_), log_);
    member.started = now;
    member.killed = false;
    member.stopped = false;
  }
}

Troubles Crowd::troubles() {
  return {{name_ + " killed", [this](Lots& lots) { return kill_one(lots); }},
          {name_ + " stopped", [this](Lots& lots) { return stop_one(lots); }}};
}

std::optional<Struck> Crowd::kill_one(Lots& lots) {
  const auto number =
      static_cast<std::size_t>(lots.below(static_cast<std::int64_t>(members_.size())));
  Member& member = members_[number];
  if (!member.program) return std::nullopt;
  member.killed = true;
  member.program->signal(SIGKILL);
  return Struck{.what = fmt::format("{} {} is killed", name_, number)};
}

std::optional<Struck> Crowd::stop_one(Lots& lots) {
  const auto number =
      static_cast<std::size_t>(lots.below(static_cast<std::int64_t>(members_.size())));
  Member& member = members_[number];
  if (!member.program || member.stopped) return std::nullopt;
  member.stopped = true;
  member.program->signal(SIGSTOP);
  const auto lasts = lots.one_of(std::array{200ms, 1000ms, 4000ms});  // max_lag is 3 s
  return Struck{.what = fmt::format("{} {} stands still for {} ms", name_, number, lasts.count()),
                .lasts = lasts,
                .end = [this, number, pid = member.program->pid()] {
                  Member& stopped = members_[number];
                  // It may have been killed since, and another one be in its place.
                  if (!stopped.program || stopped.program->pid() != pid) return;
                  stopped.program->signal(SIGCONT);
                  stopped.stopped = false;
                }};
}

bool Crowd::all_ended() {
  for (std::size_t i = 0; i < members_.size(); ++i) look_at_the_end_of(members_[i], i);
  return std::ranges::none_of(members_,
                              [](const Member& member) { return member.program != nullptr; });
}

}  // namespace querymark::test::soak

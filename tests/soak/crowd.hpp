#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "soak/ledger.hpp"
#include "soak/program.hpp"
#include "soak/trouble.hpp"

namespace querymark::test::soak {

/// The processes of a soak: each is started again when it has ended, and some of them are killed or stopped.
class Crowd {
 public:
  /// The command of a process that is the `start`-th of all that were started.
  using Command = std::function<std::vector<std::string>(std::uint64_t start)>;

  /// `log`: where what they print goes.
  Crowd(std::string name, std::string log, Ledger& ledger)
      : name_(std::move(name)), log_(std::move(log)), ledger_(ledger) {}

  void add(Command command);
  /// Starts who is not there. Who has died of a signal that nobody here has sent is a finding.
  void tend();
  /// Kills, or stops for a while, one of them.
  [[nodiscard]] Troubles troubles();

  /// Whether all have ended by themselves, and well.
  [[nodiscard]] bool all_ended();
  [[nodiscard]] std::uint64_t starts() const noexcept { return starts_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const std::string& log() const noexcept { return log_; }

 private:
  struct Member {
    Command command;
    std::unique_ptr<Program> program;
    std::chrono::steady_clock::time_point started;
    bool killed = false;
    bool stopped = false;
  };
  void look_at_the_end_of(Member& member, std::size_t number);
  [[nodiscard]] std::optional<Struck> kill_one(Lots& lots);
  [[nodiscard]] std::optional<Struck> stop_one(Lots& lots);

  std::string name_;
  std::string log_;
  Ledger& ledger_;
  std::vector<Member> members_;
  std::uint64_t starts_ = 0;
};

}  // namespace querymark::test::soak

#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace querymark::test::soak {

/// A program that runs beside the soak, as its user, with its output in a file. Killed and reaped at the end, and by
/// the kernel should the soak die first.
class Program {
 public:
  Program(const std::vector<std::string>& command, const std::string& log);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  void signal(int number) const;
  /// How it has ended, without waiting for it: its exit code, or minus the signal.
  [[nodiscard]] std::optional<int> ended();
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  pid_t pid_;
  std::optional<int> status_;
};

/// Empties the file in which programs write when it has grown large: a soak may go on for days.
void keep_small(const std::string& log);

}  // namespace querymark::test::soak

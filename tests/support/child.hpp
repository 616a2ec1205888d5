#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace querymark::test {

/// A child process with its standard input and output on pipes. Killed and reaped at the end.
class Child {
 public:
  explicit Child(const std::vector<std::string>& command);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  /// Sends one line.
  void say(const std::string& line);
  /// Next line of its output, without the newline; throws when it ends or stays silent for 20
  /// seconds.
  [[nodiscard]] std::string hear();
  /// `say`, then `hear`.
  [[nodiscard]] std::string ask(const std::string& line);
  /// Everything it prints until it ends.
  [[nodiscard]] std::string rest();

  void signal(int number) const;
  /// Returns once it is stopped, by SIGSTOP for instance; throws when it has ended instead.
  void await_stopped() const;
  /// Waits for its end, at most 20 seconds: the exit code, or minus the signal that ended it.
  int join();
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  [[nodiscard]] bool fill();
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  std::optional<int> status_;
  std::string buffer_;
};

/// Exit code and combined output of a command that ends by itself.
struct Finished {
  int code = 0;
  std::string output;
};
[[nodiscard]] Finished run(const std::vector<std::string>& command);

}  // namespace querymark::test

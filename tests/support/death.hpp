#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

namespace querymark::test {

/// How a process ended that ran nothing but a test's function.
struct Death {
  int signal = 0;    ///< Zero: it lived.
  std::string said;  ///< On its standard error.
};

/// Runs `function` in a process of its own. Requires that this one has no other threads.
template <class Function>
[[nodiscard]] Death death_of(Function function) {
  int ends[2];
  if (pipe(ends) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    signal(SIGABRT, SIG_DFL);  // not the test framework's
    function();
    _exit(0);
  }
  close(ends[1]);
  Death death;
  char text[1024];
  for (ssize_t got = 0; (got = read(ends[0], text, sizeof(text))) > 0;)
    death.said.append(text, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) death.signal = WTERMSIG(status);
  return death;
}

}  // namespace querymark::test

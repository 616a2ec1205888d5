#include "support/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace querymark::test {
namespace {

constexpr int kPatienceMs = 180'000;  // a whole demo, under ThreadSanitizer beside others

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

}  // namespace

Child::Child(const std::vector<std::string>& command) {
  ::signal(SIGPIPE, SIG_IGN);  // a child that has ended is an error with a text, not our end
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) fail("pipe2");
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) fail("fork");
  if (pid_ == 0) {
    ::signal(SIGPIPE, SIG_DFL);
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::dup2(out[1], STDERR_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  in_ = in[1];
  out_ = out[0];
}

Child::~Child() {
  if (!status_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(in_);
  ::close(out_);
}

void Child::say(const std::string& line) {
  const std::string text = line + '\n';
  if (::write(in_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw std::runtime_error("the child has ended; it said: " + rest());
}

bool Child::fill() {
  pollfd fd{out_, POLLIN, 0};
  if (::poll(&fd, 1, kPatienceMs) != 1) throw std::runtime_error("the child stays silent");
  std::array<char, 4096> chunk;
  const ssize_t size = ::read(out_, chunk.data(), chunk.size());
  if (size <= 0) return false;
  buffer_.append(chunk.data(), static_cast<std::size_t>(size));
  return true;
}

std::string Child::hear() {
  std::size_t end = 0;
  while ((end = buffer_.find('\n')) == std::string::npos)
    if (!fill()) throw std::runtime_error("the child has ended; it said: " + buffer_);
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  return line;
}

std::string Child::ask(const std::string& line) {
  say(line);
  return hear();
}

std::string Child::rest() {
  while (fill()) {
  }
  return std::exchange(buffer_, {});
}

void Child::signal(int number) const { ::kill(pid_, number); }

void Child::await_stopped() const {
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WEXITED | WNOWAIT) != 0)
    fail("waitid");
  if (info.si_code != CLD_STOPPED) throw std::runtime_error("the child has ended, not stopped");
}

int Child::join() {
  if (status_) return *status_;
  // The pipe closes when the child ends: waiting for that has a deadline, waitpid has none.
  buffer_ += rest();
  int status = 0;
  if (::waitpid(pid_, &status, 0) != pid_) fail("waitpid");
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return *status_;
}

Finished run(const std::vector<std::string>& command) {
  Child child(command);
  std::string output = child.rest();
  return {child.join(), std::move(output)};
}

}  // namespace querymark::test

#include "process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <system_error>

namespace catalogue {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

// Between fork and exec: async-signal-safe calls only, since other threads may hold any lock.
[[noreturn]] void become(char* const* argv, const Process::Streams& streams, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);  // it ended before prctl
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  if (streams.in >= 0) dup2(streams.in, STDIN_FILENO);
  if (streams.out >= 0) dup2(streams.out, STDOUT_FILENO);
  if (streams.err >= 0) dup2(streams.err, STDERR_FILENO);
  execv(argv[0], argv);
  _exit(127);
}

}  // namespace

void Descriptor::close() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

std::pair<Descriptor, Descriptor> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail("pipe");
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

std::pair<Descriptor, Descriptor> make_socket_pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) fail("socketpair");
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

Process::Process(const std::vector<std::string>& arguments, const Streams& streams) {
  if (access(arguments.at(0).c_str(), X_OK) != 0) fail("can't run " + arguments[0]);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) fail("fork");
  if (pid_ == 0) become(argv.data(), streams, parent);
}

Process::~Process() {
  if (pid_ > 0 && !ended_) stop();
}

std::optional<int> Process::ended() {
  int status = 0;
  if (!ended_ && waitpid(pid_, &status, WNOHANG) == pid_) ended_ = code_of(status);
  return ended_;
}

int Process::wait() {
  int status = 0;
  while (!ended_) {
    if (waitpid(pid_, &status, 0) == pid_)
      ended_ = code_of(status);
    else if (errno != EINTR)
      fail("waitpid");
  }
  return *ended_;
}

int Process::stop(std::chrono::milliseconds patience) noexcept {
  if (ended()) return *ended_;
  kill(pid_, SIGTERM);
  // A pidfd becomes readable at the end of the process: no polling.
  Descriptor pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  if (pidfd.get() >= 0) {
    pollfd watch{pidfd.get(), POLLIN, 0};
    poll(&watch, 1, static_cast<int>(patience.count()));
  }
  if (!ended()) kill(pid_, SIGKILL);
  int status = 0;
  while (!ended_) {
    if (waitpid(pid_, &status, 0) == pid_)
      ended_ = code_of(status);
    else if (errno != EINTR)
      ended_ = -1;
  }
  return *ended_;
}

std::string program_folder() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
}

}  // namespace catalogue

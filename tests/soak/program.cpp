#include "soak/program.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace querymark::test::soak {
namespace {

[[noreturn]] void become(std::vector<char*>& arguments, const char* log, pid_t parent) {
  ::setpgid(0, 0);  // a Ctrl-C is for the soak, which ends its programs itself
  // SIGKILL, since it may be one that is stopped.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int file = ::open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (file < 0 || nothing < 0 || ::getppid() != parent) ::_exit(126);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(file, STDOUT_FILENO);
  ::dup2(file, STDERR_FILENO);
  ::close(file);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

}  // namespace

Program::Program(const std::vector<std::string>& command, const std::string& log) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
  if (pid_ == 0) become(arguments, log.c_str(), parent);
}

Program::~Program() {
  if (status_) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Program::signal(int number) const {
  if (!status_) ::kill(pid_, number);  // until it is reaped, the number is its own
}

std::optional<int> Program::ended() {
  int status = 0;
  if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_)
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return status_;
}

void keep_small(const std::string& log) {
  constexpr std::uintmax_t kMost = 4U << 20U;
  std::error_code none;  // it may not be there yet
  if (const std::uintmax_t size = std::filesystem::file_size(log, none); !none && size > kMost)
    std::filesystem::resize_file(log, 0);  // whoever appends goes on at its new end
}

}  // namespace querymark::test::soak

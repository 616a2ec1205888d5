#include "support/daemon.hpp"

#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>

#include "support/await.hpp"

namespace querymark::test {
namespace {

// A socket of the loopback interface; negative: somebody has the port.
int bound(int type, int port) {
  const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (fd >= 0 && ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return fd;
  if (fd >= 0) ::close(fd);
  return -1;
}

const passwd* unprivileged() { return ::geteuid() == 0 ? ::getpwnam("nobody") : nullptr; }

}  // namespace

void give_away(const TempDir& dir) {
  if (const passwd* user = unprivileged())
    if (::chown(dir.path().c_str(), user->pw_uid, user->pw_gid) != 0)
      throw std::runtime_error("chown failed");
}

// Below the ports that the kernel gives to connections, which would take it before a server does. Other
// tests keep off it by a datagram socket of that number, which this process keeps.
int free_port() {
  constexpr int kFirst = 10'000;
  constexpr int kPorts = 22'000;
  static std::minstd_rand draw(std::random_device{}());
  for (int tries = 0; tries < 1'000; ++tries) {
    const int port = kFirst + static_cast<int>(draw() % kPorts);
    const int kept = bound(SOCK_DGRAM, port);
    if (kept < 0) continue;
    const int tried = bound(SOCK_STREAM, port);
    if (tried >= 0) {
      ::close(tried);
      return port;
    }
    ::close(kept);
  }
  throw std::runtime_error("no free port");
}

pid_t launch(const std::vector<std::string>& command, const std::string& log) {
  const passwd* user = unprivileged();
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::setpgid(0, 0);  // a Ctrl-C is for the parent, which stops its servers after their clients
  if (user != nullptr &&
      (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0))
    ::_exit(126);
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (::getppid() != parent) ::_exit(124);  // it ended before prctl
  if (::freopen(log.c_str(), "a", stdout) == nullptr) ::_exit(125);
  ::dup2(STDOUT_FILENO, STDERR_FILENO);
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

void await_start(pid_t program, const std::string& log, const std::function<bool()>& answers) {
  std::string problem;
  try {
    await("a program that was started answers", std::chrono::seconds(30), [&] {
      try {
        return answers();
      } catch (const std::exception& failure) {
        problem = failure.what();
        if (::waitpid(program, nullptr, WNOHANG) == program)
          throw std::runtime_error("it has ended");
        return false;
      }
    });
  } catch (const std::exception& failure) {
    throw std::runtime_error(
        problem.append("; ").append(failure.what()).append("\n").append(text_of_file(log)));
  }
}

std::string text_of_file(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

void complete(const std::vector<std::string>& command, const std::string& log) {
  const pid_t pid = launch(command, log);
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid || status != 0)
    throw std::runtime_error(command[0] + " failed: " + text_of_file(log));
}

}  // namespace querymark::test

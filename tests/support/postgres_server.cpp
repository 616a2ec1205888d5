#include "support/postgres_server.hpp"

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
#include <cstring>
#include <filesystem>
#include <fstream>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <stdexcept>
#include <thread>
#include <vector>

#include "querymark/postgres/migrate.hpp"

namespace querymark::test {
namespace {

namespace fs = std::filesystem;

// The folder of the newest server's programs; empty when there is none.
std::string programs() {
  fs::path newest;
  if (fs::exists("/usr/lib/postgresql"))
    for (const auto& version : fs::directory_iterator("/usr/lib/postgresql"))
      if (fs::exists(version.path() / "bin/initdb") && version.path() > newest)
        newest = version.path();
  return newest.empty() ? std::string() : (newest / "bin/").string();
}

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("no free port");
  ::close(fd);
  return ntohs(address.sin_port);
}

// PostgreSQL refuses to run as root.
const passwd* unprivileged() { return ::geteuid() == 0 ? ::getpwnam("nobody") : nullptr; }

pid_t launch(const std::vector<std::string>& command, const std::string& log) {
  const passwd* user = unprivileged();
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::setpgid(0, 0);  // a Ctrl-C is for the parent, which stops the server after its clients
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

std::string text_of_file(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

PostgresServer::PostgresServer(std::vector<std::string> settings)
    : settings_(std::move(settings)), port_(free_port()) {
  if (!installed())
    throw std::runtime_error(
        "the programs of a PostgreSQL server are missing: apt-get install postgresql-15");
  if (const passwd* user = unprivileged())
    if (::chown(dir_.path().c_str(), user->pw_uid, user->pw_gid) != 0)
      throw std::runtime_error("chown failed");
  const pid_t init = launch({programs() + "initdb", "-D", dir_.file("data"), "-A", "trust", "-U",
                             "tester", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"},
                            dir_.file("log"));
  int status = 0;
  if (::waitpid(init, &status, 0) != init || status != 0)
    throw std::runtime_error("initdb failed: " + text_of_file(dir_.file("log")));
  start();
}

bool PostgresServer::installed() { return !programs().empty(); }

PostgresServer& PostgresServer::shared() {
  static PostgresServer server;
  return server;
}

PostgresServer::~PostgresServer() {
  if (pid_ > 0) stop(SIGQUIT);
}

void PostgresServer::start() {
  std::vector<std::string> command{programs() + "postgres", "-D", dir_.file("data"),   "-p",
                                   std::to_string(port_),   "-k", dir_.path().string()};
  std::vector<std::string> settings{"listen_addresses=" + host_, "fsync=off",
                                    "max_connections=400",       "max_prepared_transactions=20",
                                    "shared_buffers=32MB",       "autovacuum_naptime=1h"};
  settings.insert(settings.end(), settings_.begin(), settings_.end());
  for (const std::string& setting : settings) command.insert(command.end(), {"-c", setting});
  pid_ = launch(command, dir_.file("log"));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (;;) {
    try {
      pqxx::connection probe(socket_url("postgres"));
      return;
    } catch (const std::exception& failure) {
      if (std::chrono::steady_clock::now() > deadline || ::waitpid(pid_, nullptr, WNOHANG) == pid_)
        throw std::runtime_error(std::string(failure.what()) + text_of_file(dir_.file("log")));
      std::this_thread::sleep_for(std::chrono::milliseconds(20));  // it has no other way to tell
    }
  }
}

void PostgresServer::stop(int signal) {
  ::kill(pid_, signal);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string PostgresServer::url(const std::string& database, const std::string& user) const {
  return "postgresql://" + user + '@' + host_ + ':' + std::to_string(port_) + '/' + database;
}

std::string PostgresServer::socket_url(const std::string& database) const {
  return "postgresql://tester@/" + database + "?host=" + dir_.path().string() +
         "&port=" + std::to_string(port_);
}

std::string PostgresServer::create_database() {
  pqxx::connection connection(socket_url("postgres"));
  pqxx::nontransaction plain(connection);
  if (databases_ == 0) {
    plain.exec("create database template_shop");
    postgres::migrate(socket_url("template_shop"));
  }
  const std::string name = "shop" + std::to_string(++databases_);
  plain.exec("create database " + name + " template template_shop");
  return name;
}

}  // namespace querymark::test

#include "support/redis_server.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <filesystem>
#include <stdexcept>

#include "connection.hpp"
#include "support/daemon.hpp"

namespace querymark::test {
namespace {

std::string program() {
  for (const char* path :
       {"/usr/bin/redis-server", "/usr/local/bin/redis-server", "/usr/bin/valkey-server"})
    if (std::filesystem::exists(path)) return path;
  throw std::runtime_error(
      "the program of a Redis server is missing: apt-get install redis-server");
}

}  // namespace

RedisServer::RedisServer(std::vector<std::string> settings)
    : settings_(std::move(settings)), port_(free_port()) {
  give_away(dir_);
  start();
}

RedisServer::~RedisServer() {
  if (pid_ > 0) stop(SIGKILL);
}

RedisServer& RedisServer::shared() {
  static RedisServer server;
  return server;
}

void RedisServer::start() {
  std::vector<std::string> command{program(),
                                   "--port",
                                   std::to_string(port_),
                                   "--bind",
                                   "127.0.0.1",
                                   "--unixsocket",
                                   socket(),
                                   "--unixsocketperm",
                                   "777",
                                   "--dir",
                                   dir_.path().string(),
                                   "--save",
                                   "",
                                   "--enable-debug-command",
                                   "yes"};
  command.insert(command.end(), settings_.begin(), settings_.end());
  pid_ = launch(command, dir_.file("log"));
  // Whatever it says, it is there and has loaded its data.
  await_start(pid_, dir_.file("log"), [&] { return !ask({"PING"}).starts_with("-LOADING"); });
}

void RedisServer::stop(int signal) {
  ::kill(pid_, signal);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string RedisServer::ask(const std::vector<std::string>& words,
                             const std::string& password) const {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const redis::Endpoint endpoint{
      .transport = redis::Endpoint::Transport::unix_socket, .path = socket(), .password = password};
  redis::Resolver resolver("", "");
  redis::Connection connection(endpoint, resolver, nullptr, 600U << 20U, deadline);
  std::string command = '*' + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words)
    command.append("$" + std::to_string(word.size()) + "\r\n").append(word).append("\r\n");
  connection.send(command, deadline);
  const redis::Reply reply = connection.next(deadline);
  switch (reply.is) {
    case redis::Reply::Is::text:
      return std::string(reply.text);
    case redis::Reply::Is::number:
      return std::to_string(reply.number);
    case redis::Reply::Is::error:
      return '-' + std::string(reply.text);
    case redis::Reply::Is::nothing:
      return "(nil)";
    case redis::Reply::Is::list:
      throw std::runtime_error("the answer is a list, which nobody here reads");
  }
  return "";
}

}  // namespace querymark::test

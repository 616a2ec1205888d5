#include "support/memcached_server.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <stdexcept>

#include "buffered_reader.hpp"
#include "socket.hpp"
#include "support/daemon.hpp"

namespace querymark::test {
namespace {

std::string program() {
  for (const char* path : {"/usr/bin/memcached", "/usr/local/bin/memcached"})
    if (std::filesystem::exists(path)) return path;
  throw std::runtime_error("the program of memcached is missing: apt-get install memcached");
}

}  // namespace

MemcachedServer::MemcachedServer(std::vector<std::string> settings)
    : settings_(std::move(settings)),
      on_socket_(std::ranges::count(settings_, kSocket) > 0),
      port_(free_port()) {
  std::ranges::replace(settings_, std::string(kSocket), dir_.file("socket"));
  give_away(dir_);
  start();
}

MemcachedServer::~MemcachedServer() {
  if (pid_ > 0) stop(SIGKILL);
}

std::string MemcachedServer::url() const {
  return on_socket_ ? "unix:" + dir_.file("socket") : "127.0.0.1:" + std::to_string(port_);
}

void MemcachedServer::start() {
  std::vector<std::string> command{
      program(), "-l", "127.0.0.1", "-p", std::to_string(port_), "-U", "0", "-m", "64", "-t", "2"};
  command.insert(command.end(), settings_.begin(), settings_.end());
  pid_ = launch(command, dir_.file("log"));
  await_start(pid_, dir_.file("log"), [&] {
    static_cast<void>(ask(""));
    return true;
  });
}

void MemcachedServer::pause() const {
  ::kill(pid_, SIGSTOP);
  ::waitpid(pid_, nullptr, WUNTRACED);  // its other threads stop a moment later
}

void MemcachedServer::resume() const { ::kill(pid_, SIGCONT); }

void MemcachedServer::stop(int signal) {
  ::kill(pid_, signal);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string MemcachedServer::ask_until(std::string_view lines, std::string_view end) const {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  net::Resolver resolver("127.0.0.1", std::to_string(port_));
  const auto channel = on_socket_ ? net::connected(dir_.file("socket"), url(), deadline)
                                  : net::connected(resolver, url(), deadline);
  channel->send(lines, deadline);
  std::string answer;
  for (std::string chunk(1U << 16U, '\0');;) {
    answer.append(chunk, 0, channel->receive(chunk.data(), chunk.size(), deadline));
    const std::size_t at = answer.rfind(end);
    if (at != std::string::npos && answer.ends_with("\r\n") && (at == 0 || answer[at - 1] == '\n'))
      return answer.substr(0, at);
  }
}

std::string MemcachedServer::ask(std::string_view lines) const {
  return ask_until(std::string(lines) + "version\r\n", "VERSION ");  // whose answer comes last
}

std::vector<std::string> MemcachedServer::keys() const {
  // A line for each: key=qm%3A3%3A… and what else is known of it.
  const std::string dump = ask_until("lru_crawler metadump all\r\n", "END\r\n");
  std::vector<std::string> keys;
  for (std::size_t at = 0; (at = dump.find("key=", at)) != std::string::npos; at += 4) {
    std::string key = dump.substr(at + 4, dump.find(' ', at) - at - 4);
    for (std::size_t colon = 0; (colon = key.find("%3A")) != std::string::npos;)
      key.replace(colon, 3, ":");
    keys.push_back(std::move(key));
  }
  return keys;
}

long MemcachedServer::stat(const std::string& name) const {
  const std::string stats = ask("stats\r\n");
  const std::string head = "STAT " + name + ' ';
  const std::size_t at = stats.find(head);
  if (at == std::string::npos) throw std::runtime_error("memcached counts no " + name);
  return std::stol(stats.substr(at + head.size()));
}

std::string MemcachedServer::held(const std::string& key) const {
  const std::string answer = ask("get " + key + "\r\n");
  const std::size_t begin = answer.find("\r\n") + 2;
  constexpr std::size_t kEnd = 7;  // CR LF, END, CR LF
  return answer.starts_with("VALUE ") ? answer.substr(begin, answer.size() - begin - kEnd) : "";
}

void MemcachedServer::store(const std::string& key, const std::string& bytes) const {
  const std::string answer =
      ask("set " + key + " 0 0 " + std::to_string(bytes.size()) + "\r\n" + bytes + "\r\n");
  if (answer != "STORED\r\n") throw std::runtime_error("memcached says " + answer);
}

}  // namespace querymark::test

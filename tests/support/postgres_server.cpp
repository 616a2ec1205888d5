#include "support/postgres_server.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <filesystem>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <stdexcept>
#include <thread>
#include <vector>

#include "querymark/postgres/migrate.hpp"
#include "support/daemon.hpp"

namespace querymark::test {
namespace {

namespace fs = std::filesystem;

std::string programs() {
  fs::path newest;
  if (fs::exists("/usr/lib/postgresql"))
    for (const auto& version : fs::directory_iterator("/usr/lib/postgresql"))
      if (fs::exists(version.path() / "bin/initdb") && version.path() > newest)
        newest = version.path();
  if (newest.empty())
    throw std::runtime_error("the tests need a PostgreSQL server: apt-get install postgresql-15");
  return (newest / "bin/").string();
}

}  // namespace

PostgresServer::PostgresServer(Empty) : port_(free_port()) { give_away(dir_); }

PostgresServer::PostgresServer() : PostgresServer(Empty{}) {
  complete({programs() + "initdb", "-D", dir_.file("data"), "-A", "trust", "-U", "tester",
            "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"},
           dir_.file("log"));
  start();
  pqxx::connection connection(url("postgres"));
  pqxx::nontransaction(connection).exec("create database template_shop");
  postgres::migrate(url("template_shop"));
}

std::unique_ptr<PostgresServer> PostgresServer::standby_of(const PostgresServer& primary) {
  std::unique_ptr<PostgresServer> standby(new PostgresServer(Empty{}));
  complete({programs() + "pg_basebackup", "-D", standby->dir_.file("data"), "-h", primary.host_,
            "-p", std::to_string(primary.port_), "-U", "tester", "-R", "-X", "stream", "-c", "fast",
            "--no-sync"},
           standby->dir_.file("log"));
  standby->start();
  return standby;
}

PostgresServer& PostgresServer::shared() {
  static PostgresServer server;
  return server;
}

PostgresServer::~PostgresServer() {
  if (pid_ > 0) stop(SIGQUIT);
}

void PostgresServer::start() {
  pid_ = launch({programs() + "postgres", "-D", dir_.file("data"), "-p", std::to_string(port_),
                 "-k", dir_.path().string(), "-c", "listen_addresses=" + host_, "-c", "fsync=off",
                 "-c", "max_connections=400", "-c", "max_prepared_transactions=20", "-c",
                 "shared_buffers=32MB", "-c", "autovacuum_naptime=1h"},
                dir_.file("log"));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (;;) {
    try {
      pqxx::connection probe(url("postgres"));
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

std::string PostgresServer::ask(const std::string& sql) const {
  pqxx::connection connection(url("postgres"));
  const pqxx::result rows = pqxx::nontransaction(connection).exec(sql);
  return rows.empty() ? "" : rows[0][0].c_str();
}

void PostgresServer::await(const std::string& sql) const {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (ask(sql) != "t") {
    if (std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error("never became true: " + sql);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // the server has no way to tell
  }
}

void PostgresServer::await_replay(const PostgresServer& primary) const {
  await("select pg_last_wal_replay_lsn() >= '" + primary.ask("select pg_current_wal_lsn()") + "'");
}

void PostgresServer::sever() const {
  ask("alter system set primary_conninfo = ''");
  ask("select pg_reload_conf()");
  await("select count(*) = 0 from pg_stat_wal_receiver");
}

void PostgresServer::promote() const { ask("select pg_promote(true, 20)"); }

std::string PostgresServer::url(const std::string& database, const std::string& user) const {
  return "postgresql://" + user + '@' + host_ + ':' + std::to_string(port_) + '/' + database;
}

std::string PostgresServer::create_bare_database() {
  const std::string name = "bare" + std::to_string(++databases_);
  ask("create database " + name);
  return name;
}

std::string PostgresServer::create_database() {
  const std::string name = "shop" + std::to_string(++databases_);
  pqxx::connection connection(url("postgres"));
  pqxx::nontransaction(connection).exec("create database " + name + " template template_shop");
  return name;
}

}  // namespace querymark::test

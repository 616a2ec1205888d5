#include "support/postgres_server.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <filesystem>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <stdexcept>
#include <vector>

#include "querymark/postgres/migrate.hpp"
#include "support/await.hpp"
#include "support/daemon.hpp"

namespace querymark::test {
namespace {

namespace fs = std::filesystem;

void copy_folder(const std::string& from, const std::string& to, const std::string& log) {
  complete({"/bin/rm", "-rf", to}, log);
  complete({"/bin/cp", "-a", from, to}, log);
}

}  // namespace

std::string PostgresServer::programs() {
  fs::path newest;
  if (fs::exists("/usr/lib/postgresql"))
    for (const auto& version : fs::directory_iterator("/usr/lib/postgresql"))
      if (fs::exists(version.path() / "bin/initdb") && version.path() > newest)
        newest = version.path();
  return newest.empty() ? std::string() : (newest / "bin/").string();
}

PostgresServer::PostgresServer(Empty, std::vector<std::string> settings, TempDir::Where where)
    : dir_(where), settings_(std::move(settings)), port_(free_port()) {
  if (!installed())
    throw std::runtime_error(
        "the programs of a PostgreSQL server are missing: apt-get install postgresql");
  give_away(dir_);
}

PostgresServer::PostgresServer(std::vector<std::string> settings, TempDir::Where where)
    : PostgresServer(Empty{}, std::move(settings), where) {
  make_data();
  start();
}

std::unique_ptr<PostgresServer> PostgresServer::another() const {
  return std::unique_ptr<PostgresServer>(new PostgresServer(Empty{}, settings_, dir_.where()));
}

void PostgresServer::make_data() const {
  complete({programs() + "initdb", "-D", dir_.file("data"), "-A", "trust", "-U", "tester",
            "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"},
           dir_.file("log"));
}

std::unique_ptr<PostgresServer> PostgresServer::standby_of(const PostgresServer& primary) {
  std::unique_ptr<PostgresServer> standby = primary.another();
  complete({programs() + "pg_basebackup", "-D", standby->dir_.file("data"), "-h", primary.host_,
            "-p", std::to_string(primary.port_), "-U", "tester", "-R", "-X", "stream", "-c", "fast",
            "--no-sync"},
           standby->dir_.file("log"));
  standby->start();
  return standby;
}

std::unique_ptr<PostgresServer> PostgresServer::copy_of(const PostgresServer& stopped) {
  std::unique_ptr<PostgresServer> copy = stopped.another();
  copy_folder(stopped.dir_.file("data"), copy->dir_.file("data"), copy->dir_.file("log"));
  copy->start();
  return copy;
}

void PostgresServer::keep_copy() const {
  copy_folder(dir_.file("data"), dir_.file("kept"), dir_.file("log"));
}

void PostgresServer::put_copy_back() const {
  copy_folder(dir_.file("kept"), dir_.file("data"), dir_.file("log"));
}

std::unique_ptr<PostgresServer> PostgresServer::upgrade_of(const PostgresServer& stopped) {
  std::unique_ptr<PostgresServer> upgraded = stopped.another();
  upgraded->make_data();
  const std::string folder = upgraded->dir_.path().string();
  const std::string bin = programs();
  // It leaves scripts where it runs.
  complete({"/bin/sh", "-c",
            "cd " + folder + " && " + bin + "pg_upgrade -b " + bin + " -B " + bin + " -d " +
                stopped.dir_.file("data") + " -D " + folder + "/data -U tester -s " + folder},
           upgraded->dir_.file("log"));
  upgraded->start();
  return upgraded;
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
                                    "shared_buffers=32MB",       "max_wal_size=256MB",
                                    "autovacuum_naptime=1h"};
  settings.insert(settings.end(), settings_.begin(), settings_.end());
  for (const std::string& setting : settings) command.insert(command.end(), {"-c", setting});
  pid_ = launch(command, dir_.file("log"));
  await_start(pid_, dir_.file("log"),
              [&] { return pqxx::connection(socket_url("postgres")).is_open(); });
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
  test::await(sql, std::chrono::seconds(20), [&] { return ask(sql) == "t"; });
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
  const std::string name = "bare" + std::to_string(++bare_databases_);
  ask("create database " + name);
  return name;
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

#include "support/pg_bouncer.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <pqxx/connection>
#include <stdexcept>

#include "support/daemon.hpp"

namespace querymark::test {
namespace {

constexpr const char* kProgram = "/usr/sbin/pgbouncer";

}  // namespace

PgBouncer::PgBouncer(const PostgresServer& server, const std::string& settings)
    : port_(free_port()) {
  if (!std::filesystem::exists(kProgram))
    throw std::runtime_error("the tests need a pooling proxy: apt-get install pgbouncer");
  give_away(dir_);
  std::ofstream(dir_.file("users")) << "\"tester\" \"\"\n";
  std::ofstream(dir_.file("ini")) << "[databases]\n* = host=" << server.host()
                                  << " port=" << server.port()
                                  << "\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = "
                                  << port_ << "\nunix_socket_dir =\nauth_type = trust\nauth_file = "
                                  << dir_.file("users")
                                  << "\npool_mode = transaction\ndefault_pool_size = 1\n"
                                  << settings;
  start();
  await_start(pid_, dir_.file("log"), [&] { return pqxx::connection(url("postgres")).is_open(); });
}

PgBouncer::~PgBouncer() { stop(); }

void PgBouncer::start() { pid_ = launch({kProgram, "-q", dir_.file("ini")}, dir_.file("log")); }

void PgBouncer::stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGQUIT);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string PgBouncer::url(const std::string& database) const {
  return "postgresql://tester@127.0.0.1:" + std::to_string(port_) + '/' + database;
}

}  // namespace querymark::test

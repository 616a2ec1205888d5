// The executable `querymark` when its output is full, broken or closed.

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <SQLiteCpp/SQLiteCpp.h>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "querymark/file_tier/file_tier.hpp"
#include "support/child.hpp"
#include "support/patient_tier.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

const std::string kProgram = QUERYMARK_PROGRAM;

// The program as a shell starts it, with redirections.
std::vector<std::string> shell(const std::string& arguments) {
  return {"/bin/sh", "-c", "exec " + kProgram + ' ' + arguments};
}

std::string worker_arguments(const Shop& shop) {
  return "worker --namespace shop --poll-ms 20 --db sqlite:" + shop.path() +
         " --target sqlite:" + shop.file("tier");
}

std::int64_t leases(const Shop& shop) {
  return shop.number("select count(*) from querymark_consumer where owner is not null");
}

// Once the worker has come as far as its log shows.
void await(const Shop& shop, const std::string& sql) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (shop.number(sql) == 0) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    ::usleep(2000);  // SQLite has no way to tell another process
  }
}

}  // namespace

TEST_CASE("cli: output that can't be written is an exit code, and nothing aborts", "[cli]") {
  const TempDir dir;
  const std::string database = "--db sqlite:" + dir.file("a.db");
  CHECK(run(shell("migrate " + database + " > /dev/full")).code == 5);
  CHECK(std::filesystem::exists(dir.file("a.db")));
  CHECK(run(shell("--help > /dev/full")).code == 5);
  CHECK(run(shell("--version > /dev/full")).code == 5);
  CHECK(run(shell("frobnicate 2> /dev/full")).code == 2);
  CHECK(run(shell("migrate " + database + " --json > /dev/full")).code == 5);
}

TEST_CASE("cli: closed descriptors are opened, so that no database is sent the log lines",
          "[cli]") {
  const Shop shop;
  for (const char* closed : {"<&-", ">&-", "2>&-", "<&- >&- 2>&-"}) {
    CAPTURE(closed);
    CHECK(run(shell(worker_arguments(shop) + " --once " + closed)).code == 0);
    CHECK(leases(shop) == 0);
  }
  CHECK(shop.text("pragma integrity_check") == "ok");
}

TEST_CASE("cli: tail ends when nobody reads it any more, also while nothing happens", "[cli]") {
  const Shop shop;
  const std::string fifo = shop.file("fifo");
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  Process process(shop);
  process.set_price(1, 4.0);
  Child tail(shell("tail --retained --namespace shop --db sqlite:" + shop.path() + " > " + fifo));
  const int reader = ::open(fifo.c_str(), O_RDONLY | O_CLOEXEC);
  char letter = 0;
  REQUIRE(::read(reader, &letter, 1) == 1);
  ::close(reader);
  CHECK(tail.join() == 5);
}

TEST_CASE("cli: a worker whose configuration does not come ends by a signal", "[cli]") {
  const Shop shop;
  const std::string fifo = shop.file("fifo");
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  Child worker(shell("worker --config " + fifo));
  // Its end of the pipe shows when it has begun to wait for the file.
  const int writer = ::open(fifo.c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(writer >= 0);
  worker.signal(SIGTERM);
  CHECK(worker.join() == -SIGTERM);
  ::close(writer);
}

TEST_CASE("cli: a worker whose log nobody reads goes on, and gives its lease back", "[cli]") {
  const Shop shop;
  Process process(shop);
  process.db.attach(patient_tier(shop.file("tier")));
  const bool full = GENERATE(true, false);
  const std::string fifo = shop.file("fifo");
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const int reader = ::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  Child worker(shell(worker_arguments(shop) + (full ? " 2> /dev/full" : " 2> " + fifo)));
  await(shop, "select count(*) from querymark_consumer where cursor_id is not null");
  ::close(reader);  // from here on a line ends in SIGPIPE
  static_cast<void>(process.price(1));
  const Receipt receipt = process.set_price(1, 4.0);
  await(shop, "select count(*) from querymark_consumer where cursor_id >= " +
                  std::to_string(receipt.position.value));
  CHECK(leases(shop) == 1);
  worker.signal(SIGTERM);
  CHECK(worker.join() == 5);
  CHECK(leases(shop) == 0);
}

TEST_CASE("cli: a log that is not read does not stop the worker", "[cli]") {
  const Shop shop;
  const std::string fifo = shop.file("fifo");
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const int reader = ::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  const int filler = ::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  REQUIRE(filler >= 0);
  const std::string block(4096, 'x');
  while (::write(filler, block.data(), block.size()) > 0) {
  }
  Child worker(shell(worker_arguments(shop) + " 2> " + fifo));
  await(shop, "select count(*) from querymark_consumer where cursor_id is not null");
  worker.signal(SIGTERM);
  CHECK(worker.join() == 5);
  CHECK(leases(shop) == 0);
  ::close(filler);
  ::close(reader);
}

TEST_CASE("cli: SIGHUP ends a worker as SIGTERM does", "[cli]") {
  const Shop shop;
  Child worker(shell(worker_arguments(shop)));
  await(shop, "select count(*) from querymark_consumer where owner is not null");
  worker.signal(SIGHUP);
  CHECK(worker.join() == 0);
  CHECK(leases(shop) == 0);
}

TEST_CASE("cli: a worker that stands by with --once says so and exits with 4", "[cli]") {
  const Shop shop;
  REQUIRE(run(shell(worker_arguments(shop) + " --once")).code == 0);
  shop.execute(
      "update querymark_consumer set owner = 'other', token = 7, lease_until = "
      "cast((julianday('now') - 2440587.5) * 86400000 as integer) + 600000");
  const Finished standby = run(shell(worker_arguments(shop) + " --once"));
  CHECK(standby.code == 4);
  CHECK_THAT(standby.output, Contains("another worker holds the lease"));
  CHECK(leases(shop) == 1);
}

TEST_CASE("cli: a lease of a clock that was wrong once keeps nobody out", "[cli]") {
  const Shop shop;
  Process process(shop);
  process.db.attach(patient_tier(shop.file("tier")));
  REQUIRE(run(shell(worker_arguments(shop) + " --once")).code == 0);
  process.set_price(1, 4.0);
  shop.execute(
      "update querymark_consumer set owner = 'other', token = 7, lease_until = 4000000000000");
  const Finished drained = run(shell(worker_arguments(shop) + " --once"));
  CHECK(drained.code == 0);
  CHECK_THAT(drained.output, Contains("applied=1"));
}

TEST_CASE("cli: a failing target does not keep the lease", "[cli]") {
  const Shop shop;
  REQUIRE(run(shell(worker_arguments(shop) + " --once")).code == 0);
  Process process(shop);
  process.db.attach(patient_tier(shop.file("tier")));
  static_cast<void>(process.price(1));
  SQLite::Database(shop.file("tier"), SQLite::OPEN_READWRITE)
      .exec(
          "create trigger broken before delete on querymark_tier_entry "
          "begin select raise(abort, 'broken'); end");
  process.set_price(1, 4.0);
  const Finished failed = run(shell(worker_arguments(shop) + " --once"));
  CHECK(failed.code == 1);
  CHECK_THAT(failed.output, Contains("the target failed"));
  CHECK(leases(shop) == 0);
}

TEST_CASE("cli: with --json a failure is an object, too", "[cli]") {
  const TempDir dir;
  const auto failure = [](const Finished& finished) {
    const json line = json::parse(finished.output);
    CHECK(line["level"] == "error");
    CHECK(line["log"]["event"] == "failed");
    CHECK(line["log"]["exit_code"] == finished.code);
    return line["log"]["error"].get<std::string>();
  };
  CHECK_THAT(failure(run({kProgram, "migrate", "--json"})), Contains("no database is named"));
  CHECK_THAT(failure(run({kProgram, "worker", "--json", "--db", "sqlite:" + dir.file("none.db"),
                          "--target", "sqlite:" + dir.file("tier")})),
             Contains("none.db"));
  CHECK_THAT(failure(run({kProgram, "worker", "--json", "--frobnicate"})), Contains("--target"));
  std::ofstream(dir.file("text")) << std::string(200, 'x');
  CHECK_THAT(failure(run({kProgram, "migrate", "--json", "--db", "sqlite:" + dir.file("text")})),
             Contains("text"));
}

TEST_CASE("cli: a password on the command line does not stay in the list of processes", "[cli]") {
  const Shop shop;
  // Any argument will do, and this one needs no server.
  Child worker({kProgram, "worker", "--namespace", "postgresql://me:sesame@host/shop", "--db",
                "sqlite:" + shop.path(), "--target", "sqlite:" + shop.file("tier")});
  static_cast<void>(worker.hear());
  std::ifstream list("/proc/" + std::to_string(worker.pid()) + "/cmdline");
  const std::string listed{std::istreambuf_iterator<char>(list), {}};
  CHECK_THAT(listed, Contains("worker") && !Contains("sesame"));
}

// The executable `querymark`, as a shell sees it.

#include <SQLiteCpp/SQLiteCpp.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
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

Finished worker_once(const Shop& shop) {
  return run({kProgram, "worker", "--db", "sqlite:" + shop.path(), "--namespace", "shop",
              "--target", "sqlite:" + shop.file("tier"), "--once"});
}

std::int64_t tier_entries(const Shop& shop) {
  SQLite::Database tier(shop.file("tier"), SQLite::OPEN_READWRITE, 5000);
  return tier.execAndGet("select count(*) from querymark_tier_entry").getInt64();
}

}  // namespace

TEST_CASE("cli: --help and --version succeed, unknown flags and commands are usage errors",
          "[cli]") {
  CHECK(run({kProgram, "--help"}).code == 0);
  CHECK_THAT(run({kProgram, "worker", "--help"}).output, Contains("--namespace"));
  CHECK_THAT(run({kProgram, "--version"}).output, Contains("querymark 0."));
  CHECK(run({kProgram}).code == 2);
  CHECK(run({kProgram, "worker", "--frobnicate"}).code == 2);
  CHECK(run({kProgram, "frobnicate"}).code == 2);
  CHECK(run({kProgram, "worker", "--db", "sqlite:x"}).code == 2);
  CHECK(run({kProgram, "worker", "--db", "sqlite:x", "--target", "sqlite:y", "--lease-ms", "soon"})
            .code == 2);
  const Finished scheme = run({kProgram, "migrate", "--db", "mysql://root:secret@host/x"});
  CHECK(scheme.code == 2);
  CHECK_THAT(scheme.output, Contains("unknown URL scheme") && !Contains("secret"));
}

TEST_CASE(
    "cli: unreachable databases exit with 3, other failures with 1, and the text names the remedy",
    "[cli]") {
  TempDir dir;
  const Finished missing = run({kProgram, "worker", "--db", "sqlite:" + dir.file("none.db"),
                                "--target", "sqlite:" + dir.file("tier"), "--once"});
  CHECK(missing.code == 3);
  CHECK_THAT(missing.output, Contains("none.db"));
  const std::string bare = dir.file("bare.db");
  SQLite::Database(bare, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec("create table t (x)");
  const Finished unmigrated = run({kProgram, "worker", "--db", "sqlite:" + bare, "--target",
                                   "sqlite:" + dir.file("tier"), "--once"});
  CHECK(unmigrated.code == 1);
  CHECK_THAT(unmigrated.output, Contains("querymark migrate --db sqlite:" + bare));
  std::ofstream(dir.file("text")) << std::string(200, 'x');
  CHECK(run({kProgram, "migrate", "--db", "sqlite:" + dir.file("text")}).code == 3);
  const Finished folder = run({kProgram, "migrate", "--db", "sqlite:" + dir.path().string()});
  CHECK(folder.code == 3);
  CHECK_THAT(folder.output, Contains("it is a folder; name a file"));
  REQUIRE(::mkfifo(dir.file("fifo").c_str(), 0600) == 0);
  CHECK_THAT(run({kProgram, "status", "--db", "sqlite:" + dir.file("fifo")}).output,
             Contains("it is no file; name a file"));
}

TEST_CASE("cli: a read-only database is a failure whose text says so", "[cli]") {
  namespace fs = std::filesystem;
  TempDir dir;
  const std::string program = dir.file("querymark");
  const std::string database = dir.file("a.db");
  fs::copy_file(kProgram, program);
  REQUIRE(run({kProgram, "migrate", "--db", "sqlite:" + database}).code == 0);
  fs::permissions(dir.path(),
                  fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
  fs::permissions(database, fs::perms::owner_read | fs::perms::others_read);
  std::vector<std::string> command = {
      program, "worker", "--db", "sqlite:" + database, "--target", "sqlite:" + dir.file("tier"),
      "--once"};
  if (::geteuid() == 0)  // root writes through permissions
    command.insert(command.begin(), {"/usr/sbin/runuser", "-u", "nobody", "--"});
  const Finished refused = run(command);
  CHECK(refused.code == 1);
  CHECK_THAT(refused.output, Contains("read-only") && Contains("writable"));
}

TEST_CASE("cli: migrate applies, reports as JSON, and does nothing the second time", "[cli]") {
  TempDir dir;
  const std::string url = "sqlite:" + dir.file("a.db");
  const json planned =
      json::parse(run({kProgram, "migrate", "--db", url, "--dry-run", "--json"}).output);
  CHECK(planned["dry_run"] == true);
  CHECK_FALSE(std::filesystem::exists(dir.file("a.db")));
  const json applied = json::parse(run({kProgram, "migrate", "--db", url, "--json"}).output);
  CHECK(applied["applied"] == planned["applied"]);
  CHECK(applied["from"] == 0);
  const Finished again = run({kProgram, "migrate", "--db", url});
  CHECK(again.code == 0);
  CHECK_THAT(again.output, Contains("nothing to do"));
}

TEST_CASE("cli: the worker removes invalidated values from the tier, and only those", "[cli]") {
  const Shop shop;
  Process process(shop);
  process.db.attach(patient_tier(shop.file("tier")));
  REQUIRE(worker_once(shop).code == 0);  // registers: starts with a flush
  static_cast<void>(process.price(1));
  static_cast<void>(process.price(2));
  CHECK(tier_entries(shop) == 2);
  process.set_price(1, 4.0);
  const Finished drained = worker_once(shop);
  CHECK(drained.code == 0);
  CHECK_THAT(drained.output, Contains("applied=1"));
  CHECK(tier_entries(shop) == 1);
  CHECK_THAT(worker_once(shop).output, Contains("claimed=0"));
}

TEST_CASE("cli: a worker of a namespace without rows names those that have some", "[cli]") {
  const Shop shop;
  const auto worker = [&](const std::string& name) {
    return run({kProgram, "worker", "--db", "sqlite:" + shop.path(), "--namespace", name,
                "--target", "sqlite:" + shop.file("tier"), "--once"});
  };
  CHECK_THAT(worker("default").output, !Contains("other namespaces"));  // nobody has any yet
  Process process(shop);
  process.set_price(1, 4.0);
  shop.execute("insert into querymark_log (namespace, kind, target) values ('orders', 'tag', 'a')");
  const Finished wrong = worker("default");
  CHECK(wrong.code == 0);
  CHECK_THAT(wrong.output, Contains("other namespaces only: is --namespace right?") &&
                               Contains("namespace=default used=orders, shop"));
  CHECK_THAT(worker("shop").output, !Contains("other namespaces"));
  CHECK(worker("").code == 2);
}

TEST_CASE("cli: the worker drains as it comes, logs JSON, and ends cleanly on SIGTERM", "[cli]") {
  const Shop shop;
  Process process(shop);
  process.db.attach(patient_tier(shop.file("tier")));
  Child worker({kProgram, "worker", "--db", "sqlite:" + shop.path(), "--namespace", "shop",
                "--target", "sqlite:" + shop.file("tier"), "--json"});
  CHECK(json::parse(worker.hear())["log"]["event"] == "worker started");
  CHECK_THAT(worker.hear(), Contains("flushed"));  // a new target
  process.set_price(1, 4.0);
  const json applied = json::parse(worker.hear());
  CHECK(applied["log"]["event"] == "applied");
  worker.signal(SIGTERM);
  const json stopped = json::parse(worker.hear());
  CHECK(stopped["log"]["event"] == "worker stopped");
  CHECK(worker.join() == 0);
  CHECK(shop.number("select count(*) from querymark_consumer where owner is not null") == 0);
}

TEST_CASE(
    "cli: a worker killed with its lease is replaced when the lease ends, and nothing is lost",
    "[cli]") {
  const Shop shop;
  Process process(shop);
  process.db.attach(patient_tier(shop.file("tier")));
  const std::vector<std::string> command = {
      kProgram,      "worker", "--db",      "sqlite:" + shop.path(),
      "--namespace", "shop",   "--target",  "sqlite:" + shop.file("tier"),
      "--lease-ms",  "300",    "--poll-ms", "20",
      "--json"};
  Child doomed(command);
  static_cast<void>(doomed.hear());
  CHECK_THAT(doomed.hear(), Contains("flushed"));
  process.set_price(2, 9.0);
  CHECK(json::parse(doomed.hear())["log"]["event"] == "applied");  // holds the lease now
  doomed.signal(SIGKILL);
  CHECK(doomed.join() == -SIGKILL);
  static_cast<void>(process.price(1));
  CHECK(tier_entries(shop) == 1);
  process.set_price(1, 4.0);
  Child heir(command);
  static_cast<void>(heir.hear());
  CHECK(json::parse(heir.hear())["log"]["applied"] == 1);
  CHECK(tier_entries(shop) == 0);
}

TEST_CASE("cli: a worker paused past its lease changes nothing when it goes on", "[cli]") {
  const Shop shop;
  sqlite::Log log(shop.path(), "shop");
  // A claim whose owner sleeps until another has claimed anew: the guarded advance must fail.
  const ClaimResult paused =
      log.claims()->claim("sqlite:tier", "paused", std::chrono::milliseconds(0));
  REQUIRE(paused.status == ClaimStatus::claimed);
  const ClaimResult heir = log.claims()->claim("sqlite:tier", "heir", std::chrono::seconds(30));
  REQUIRE(heir.status == ClaimStatus::claimed);
  CHECK_FALSE(log.claims()->finish(paused.claim));
  CHECK(shop.number("select count(*) from querymark_consumer where epoch is not null") == 0);
  CHECK(log.claims()->finish(heir.claim));
}

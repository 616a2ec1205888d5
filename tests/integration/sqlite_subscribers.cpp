// Who follows a log in SQLite: the file beside the database.

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  Shop shop;
  sqlite::Log log{shop.path(), "shop"};
  std::unique_ptr<Subscribers> subscribers = log.subscribers();
  SubscriberEntry entry = SubscriberEntry::of_process(10s);
  [[nodiscard]] std::string file() const { return shop.path() + "-subscribers"; }
};

}  // namespace

TEST_CASE(
    "sqlite subscribers: a heartbeat rings no doorbell, a request to report does (hard case 60)",
    "[subscribers]") {
  Fixture f;
  f.subscribers->enter(f.entry);
  sqlite::FileDoorbell doorbell(f.shop.path());
  doorbell.wait(1ms);
  const std::uint64_t looks = doorbell.looks();
  for (int i = 0; i < 50; ++i) CHECK(f.subscribers->beat(f.entry.id, f.log.now()).known);
  doorbell.wait(1ms);
  CHECK(doorbell.looks() <= looks + 2);  // as it comes and as it goes
  CHECK_FALSE(doorbell.report_asked());
  f.subscribers->ask_report();
  doorbell.wait(10s);
  CHECK(doorbell.report_asked());
  CHECK_FALSE(doorbell.report_asked());
}

TEST_CASE(
    "sqlite subscribers: a file that was deleted or damaged is made anew, and its subscribers "
    "enter",
    "[subscribers]") {
  Fixture f;
  f.subscribers->enter(f.entry);
  const std::string how = GENERATE("deleted", "damaged");
  CAPTURE(how);
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(f.file() + suffix);
  if (how == "damaged") std::ofstream(f.file()) << std::string(8192, 'x');
  CHECK_FALSE(f.subscribers->beat(f.entry.id, f.log.now()).known);
  f.subscribers->enter(f.entry);
  CHECK(f.subscribers->beat(f.entry.id, f.log.now()).known);
  CHECK(f.subscribers->subscribers().size() == 1);
}

TEST_CASE("sqlite subscribers: whoever may use the database may use the file beside it",
          "[subscribers]") {
  Fixture f;
  REQUIRE(::chmod(f.shop.path().c_str(), 0660) == 0);
  f.subscribers->enter(f.entry);
  struct stat info{};
  REQUIRE(::stat(f.file().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0660U);
}

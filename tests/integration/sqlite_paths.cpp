// Which file a path means: settled when something is opened, not when it is used.

#include <sys/mount.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "querymark/file_tier/file_tier.hpp"
#include "querymark/sqlite/log.hpp"
#include "support/errors.hpp"
#include "support/rows.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;

namespace {

// The process's working folder for a scope.
class WorkingFolder {
 public:
  explicit WorkingFolder(const std::filesystem::path& folder)
      : before_(std::filesystem::current_path()) {
    std::filesystem::current_path(folder);
  }
  WorkingFolder(const WorkingFolder&) = delete;
  WorkingFolder& operator=(const WorkingFolder&) = delete;
  ~WorkingFolder() {
    std::error_code ignored;  // a folder that is gone is the next test's first failure
    std::filesystem::current_path(before_, ignored);
  }
  static void change(const std::filesystem::path& folder) { std::filesystem::current_path(folder); }

 private:
  std::filesystem::path before_;
};

std::filesystem::path folder_of(const std::string& file) {
  return std::filesystem::path(file).parent_path();
}

}  // namespace

TEST_CASE("sqlite: a relative path means the file of its opening, whatever folder comes later",
          "[sqlite]") {
  const Shop here;
  const Shop there;
  there.execute("update product set price = 99");
  const WorkingFolder folder(folder_of(here.path()));
  Cache cache{{.memory_bytes = 16U << 20U}};
  sqlite::Database db("shop.db", cache, Process::quick());
  db.attach(FileTier("shop.tier"));
  WorkingFolder::change(folder_of(there.path()));
  // The reading connection is opened only now.
  const auto price = db.query("select price from product where id = 1")
                         .tag(entity("product", 1))
                         .fetch_as<double>();
  CHECK(price[0] == 2.5);
  db.write([](sqlite::Transaction& tx) { tx.execute("update product set price = 7"); });
  db.catch_up();
  CHECK(here.number("select count(*) from product where price = 7") == 3);
  CHECK(there.number("select count(*) from product where price = 99") == 3);
  CHECK(db.path() == here.path());
  CHECK(std::filesystem::exists(here.file("shop.tier")));
  CHECK(db.stats().poll_failures == 0);
}

TEST_CASE("sqlite: the log, a tier and migrate settle their paths at once", "[sqlite]") {
  const Shop here;
  const Shop there;
  const WorkingFolder folder(folder_of(here.path()));
  sqlite::Log log("shop.db", "shop");
  const FileTier tier("new.tier");  // missing, of which no canonical path could be found
  WorkingFolder::change(folder_of(there.path()));
  CHECK(tier.path() == std::filesystem::canonical(here.file("new.tier")).string());
  CHECK(log.now().epoch.hex() == here.text("select epoch from querymark_meta"));
  CHECK_THAT(message_of([] { static_cast<void>(sqlite::migrate(":memory:")); }),
             Contains("can't be shared"));
  static_cast<void>(sqlite::migrate("sqlite:made.db"));
  CHECK(std::filesystem::exists(there.file("made.db")));
}

TEST_CASE("sqlite: a path that can't be meant is refused", "[sqlite]") {
  CHECK_THROWS_AS(sqlite::path_of(std::string_view("shop.db\0.bak", 12)), ConfigError);
  CHECK_THROWS_AS(sqlite::path_of(""), ConfigError);
  CHECK_THROWS_AS(sqlite::path_of("sqlite:"), ConfigError);
  CHECK(sqlite::path_of("sqlite:///srv/shop.db") == "/srv/shop.db");
  TempDir doomed;
  std::filesystem::create_directory(doomed.path() / "gone");
  const WorkingFolder folder(doomed.path() / "gone");
  std::filesystem::remove(doomed.path() / "gone");
  CHECK_THAT(message_of([] { static_cast<void>(sqlite::path_of("shop.db")); }),
             Contains("cannot find out where shop.db leads"));
}

TEST_CASE("sqlite: a file that has several names is told of, symbolic links are not", "[sqlite]") {
  const Shop shop;
  const auto named = [&](const std::string& path) {
    const sqlite::Log log(path, "shop");
    std::string all;
    for (const Finding& finding : log.inspector()->findings(std::chrono::minutes(1)))
      all += finding.what + '\n';
    return all;
  };
  std::filesystem::create_symlink(shop.path(), shop.file("symbolic"));
  CHECK(named(shop.file("symbolic")).empty());
  std::filesystem::create_hard_link(shop.path(), shop.file("hard"));
  CHECK_THAT(named(shop.path()), Contains("2 names"));
  CHECK_THAT(named(shop.file("symbolic")), Contains("2 names"));
  std::filesystem::remove(shop.file("hard"));
  CHECK(named(shop.path()).empty());
  const std::string mounted = shop.file("mounted");
  std::ofstream(mounted).close();
  if (::mount(shop.path().c_str(), mounted.c_str(), nullptr, MS_BIND, nullptr) != 0)
    return;  // not root
  CHECK_THAT(named(mounted), Contains("mounted by itself"));
  CHECK(::umount(mounted.c_str()) == 0);
  CHECK(named(shop.path()).empty());
}

#include "querymark/tier/sealing_keys.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "support/errors.hpp"
#include "support/temp_dir.hpp"

namespace {

using namespace querymark;
using Catch::Matchers::Contains;
using test::message_of;

const std::string kOne(64, '1');
const std::string kTwo(64, 'b');
const Digest kName = sha256({"test", "tea"});

std::string sealed_by(const SealingKeys& keys, const std::string& text) {
  std::string out;
  keys.seal(out, kName, "header", text);
  return out;
}

}  // namespace

TEST_CASE("sealing keys: the first seals, all open, and each its own", "[sealing]") {
  const auto old_keys = SealingKeys::parsed("old " + kOne);
  const auto both = SealingKeys::parsed("# since May, 5th\r\nnew = " + kTwo +
                                        "  # seals, first\n\n,old\t" + kOne + "#");
  CHECK(both->sealing() == "new");
  CHECK(both->size() == 2);
  const std::string by_old = sealed_by(*old_keys, "tea");
  const std::string by_new = sealed_by(*both, "tea");
  CHECK(both->open("old", kName, "header", by_old) == "tea");
  CHECK(both->open("new", kName, "header", by_new) == "tea");
  CHECK_FALSE(both->open("new", kName, "header", by_old));
  CHECK_FALSE(old_keys->open("new", kName, "header", by_new));
  CHECK_FALSE(both->open("none", kName, "header", by_new));
}

TEST_CASE("sealing keys: nothing opens but what was sealed, under its name, with its header",
          "[sealing]") {
  const auto keys = SealingKeys::parsed("k " + kOne);
  for (const std::string& text : {std::string(), std::string("tea"), std::string(100'000, 'x')}) {
    const std::string sealed = sealed_by(*keys, text);
    CHECK(sealed.size() == text.size() + 28);
    CHECK(keys->open("k", kName, "header", sealed) == text);
    CHECK_FALSE(keys->open("k", sha256({"another"}), "header", sealed));
    CHECK_FALSE(keys->open("k", kName, "headeR", sealed));
    CHECK_FALSE(keys->open("k", kName, "", sealed));
    CHECK_FALSE(keys->open("k", kName, "header", sealed + 'x'));
    const std::size_t step = text.size() / 20 + 1;
    for (std::size_t at = 0; at < sealed.size(); at += step) {
      std::string damaged = sealed;
      damaged[at] = static_cast<char>(damaged[at] ^ 1);
      if (keys->open("k", kName, "header", damaged)) FAIL("byte " << at << " is not guarded");
      if (keys->open("k", kName, "header", ByteView(sealed).substr(0, at)))
        FAIL("cut to " << at << " bytes");
    }
  }
}

TEST_CASE("sealing keys: the same text is sealed to other bytes each time", "[sealing]") {
  const auto keys = SealingKeys::parsed("k " + kOne);
  std::set<std::string> nonces;
  for (int i = 0; i < 1'000; ++i) nonces.insert(sealed_by(*keys, "tea").substr(0, 12));
  CHECK(nonces.size() == 1'000);
  std::string here, there;
  keys->seal(here, kName, "header", "tea");
  keys->seal(there, sha256({"another"}), "header", "tea");
  CHECK(here != there);
}

TEST_CASE("sealing keys: what is no list of keys is refused, and not shown", "[sealing]") {
  const std::string secret = "5ec3e7" + std::string(58, 'a');
  for (const std::string& text :
       {std::string(), std::string("# nothing\n\n"), std::string("k"), "k" + secret, secret,
        "k " + secret.substr(1), "k " + secret + "a", "k " + secret.substr(1) + "g",
        "k " + secret + ", k " + kOne, "a b " + secret, "k: " + secret,
        std::string(33, 'k') + ' ' + secret, std::string("k\xC3\xA9 ") + secret}) {
    CHECK_THROWS_AS(SealingKeys::parsed(text), ConfigError);
    CHECK_THAT(message_of([&] { static_cast<void>(SealingKeys::parsed(text)); }),
               !Contains("5ec3e7") && Contains("sealing keys"));
  }
  std::string many;
  for (std::size_t i = 0; i < SealingKeys::kMostKeys; ++i)
    many += 'k' + std::to_string(i) + ' ' + secret + '\n';
  CHECK(SealingKeys::parsed(many)->size() == SealingKeys::kMostKeys);
  CHECK_THROWS_AS(SealingKeys::parsed(many + "more " + secret), ConfigError);
}

TEST_CASE("sealing keys: a file is read that nobody else can use", "[sealing]") {
  test::TempDir dir;
  const std::string path = dir.file("keys");
  std::ofstream(path) << "k " << kOne << '\n';
  const auto open = [&] { return SealingKeys::from_file(path); };
  for (const mode_t mode : {0600U, 0400U}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    CHECK(open()->sealing() == "k");
  }
  for (const mode_t mode : {0604U, 0602U, 0660U, 0644U, 0666U, 0601U}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    CHECK_THROWS_WITH(open(), Contains("used by others") && Contains(path));
  }
  REQUIRE(::chmod(path.c_str(), 0640) == 0);
  if (::geteuid() == 0) {  // root's may have readers
    CHECK(open()->sealing() == "k");
    REQUIRE(::chown(path.c_str(), 12345, 12345) == 0);
    CHECK_THROWS_WITH(open(), Contains("another user"));
    REQUIRE(::chown(path.c_str(), 0, 0) == 0);
  } else {
    CHECK_THROWS_WITH(open(), Contains("used by others"));
  }
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
  std::ofstream(path) << std::string(20'000, '\n');
  CHECK_THROWS_WITH(open(), Contains("too large"));
  std::ofstream(path) << "k " << kOne.substr(2) << "5e";
  CHECK(open()->size() == 1);
  std::ofstream(path) << "k " << kOne.substr(2) << "xy";
  CHECK_THROWS_WITH(open(), Contains(path) && Contains("line 1: ") && !Contains("1111"));
  CHECK_THROWS_WITH(SealingKeys::from_file(dir.path().string()), Contains("no regular file"));
  CHECK_THROWS_WITH(SealingKeys::from_file(dir.file("none")), Contains("can't be opened"));
  REQUIRE(::mkfifo(dir.file("fifo").c_str(), 0600) == 0);
  CHECK_THROWS_WITH(SealingKeys::from_file(dir.file("fifo")), Contains("no regular file"));
}

TEST_CASE("sealing keys: the environment may hold them", "[sealing]") {
  const std::string variable = "QUERYMARK_TEST_SEALING_KEYS";
  REQUIRE(::unsetenv(variable.c_str()) == 0);
  CHECK_THROWS_WITH(SealingKeys::from_environment(variable),
                    Contains(variable) && Contains("not set"));
  REQUIRE(::setenv(variable.c_str(), ("new=" + kTwo + ",old=" + kOne).c_str(), 1) == 0);
  CHECK(SealingKeys::from_environment(variable)->sealing() == "new");
  CHECK(SealingKeys::from_environment(variable)->size() == 2);
  REQUIRE(::setenv(variable.c_str(), "new=beef", 1) == 0);
  CHECK_THROWS_WITH(SealingKeys::from_environment(variable),
                    Contains(variable) && !Contains("beef"));
}

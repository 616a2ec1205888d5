#include <catch2/catch.hpp>
#include <thread>

#include "querymark/observe/counter.hpp"
#include "querymark/support/ascii.hpp"
#include "querymark/support/bytes.hpp"
#include "querymark/support/clock.hpp"
#include "querymark/support/digest.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/excerpt.hpp"
#include "querymark/support/random.hpp"
#include "querymark/support/sql_text.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;

}  // namespace

TEST_CASE("ascii: 26 letters have two cases, and no other byte is touched", "[ascii]") {
  for (int i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    const bool capital = i >= 'A' && i <= 'Z';
    CAPTURE(i);
    CHECK(ascii::to_lower(c) == (capital ? static_cast<char>(i + 32) : c));
    CHECK(ascii::is_letter(c) == (capital || (i >= 'a' && i <= 'z')));
    CHECK(ascii::is_digit(c) == (i >= '0' && i <= '9'));
    CHECK(ascii::is_blank(c) == (i == ' ' || (i >= 9 && i <= 13)));
  }
  CHECK(ascii::equal("COMMIT", "commit"));
  CHECK_FALSE(ascii::equal("commit", "commi"));
  CHECK(ascii::to_lower("WITH \xC4\xB0") == "with \xC4\xB0");
}

TEST_CASE("sql text: a NUL is refused, and the text before it named", "[sql]") {
  CHECK_NOTHROW(require_no_nul("delete from t where x = 1"));
  CHECK_THROWS_WITH(require_no_nul(std::string_view("delete from t\0 where x = 1", 26)),
                    Catch::Matchers::Contains("NUL at byte 13"));
}

TEST_CASE("excerpt: a text is cut between letters, and says that it was", "[bytes]") {
  CHECK(excerpt("select 1", 8) == "select 1");
  CHECK(excerpt("select 1", 7) == "select ...");
  CHECK(excerpt("a\xC3\xA4"
                "b",
                2) == "a...");  // not half a letter
  CHECK(excerpt("a\xC3\xA4"
                "b",
                3) == "a\xC3\xA4...");
  CHECK(beginning("\xF0\x9F\x8D\xB5", 3).empty());
  CHECK(excerpt("", 0).empty());
}

TEST_CASE("bytes: hexadecimal reads back, and nothing else is read", "[bytes]") {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  CHECK(from_hex(to_hex(all)) == all);
  CHECK(to_hex("\x0a\xff") == "0aff");
  CHECK(from_hex("0AfF") == std::string("\x0a\xff"));
  CHECK(from_hex("") == "");
  CHECK_FALSE(from_hex("a"));
  CHECK_FALSE(from_hex("0g"));
  CHECK_FALSE(from_hex(" a"));
}

TEST_CASE("bytes: plain UTF-8 is neither malformed, nor overlong, nor NUL", "[bytes]") {
  CHECK(is_plain_utf8(""));
  CHECK(is_plain_utf8("Grüße, 世界 \U0001f9ea"));
  CHECK(is_plain_utf8("\xF4\x8F\xBF\xBF"));  // U+10FFFF
  for (const std::string_view bad :
       {std::string_view("\0", 1), std::string_view("\x80"), std::string_view("\xC0\xAF"),
        std::string_view("\xC1\xBF"), std::string_view("\xE0\x80\xAF"),
        std::string_view("\xED\xA0\x80"), std::string_view("\xF0\x80\x80\xAF"),
        std::string_view("\xF4\x90\x80\x80"), std::string_view("\xF5\x80\x80\x80"),
        std::string_view("\xE4\xB8"), std::string_view("\xFF")}) {
    CAPTURE(to_hex(bad));
    CHECK_FALSE(is_plain_utf8(bad));
    CHECK_FALSE(is_plain_utf8("a" + std::string(bad)));
  }
  for (std::size_t at = 0; at < 24; ++at) {  // eight bytes at a time must see each
    for (const char bad : {'\0', '\x80', '\xFF'}) {
      std::string text(24, '\x7F');
      CHECK(is_plain_utf8(text));
      text[at] = bad;
      CHECK_FALSE(is_plain_utf8(text));
    }
    std::string text(24, '\x01');
    text.insert(at, "\u00fc");
    CHECK(is_plain_utf8(text));
  }
}

TEST_CASE("bytes: a reader that failed once fails from then on", "[bytes]") {
  std::string written;
  detail::put_integer(written, std::uint16_t{0x1234});
  detail::put_block(written, "abc");
  detail::ByteReader reader(written);
  CHECK(reader.integer<std::uint16_t>() == 0x1234);
  CHECK(reader.block() == "abc");
  CHECK(reader.at_end());
  detail::ByteReader cut(ByteView(written).substr(0, 8));
  CHECK(cut.integer<std::uint16_t>() == 0x1234);
  CHECK_FALSE(cut.block());
  CHECK_FALSE(cut.take(1));
  CHECK_FALSE(cut.at_end());
}

TEST_CASE("digest: SHA-256 is over the parts, each after its length", "[digest]") {
  // printf '\0\0\0\0\0\0\0\3abc' | sha256sum
  CHECK(sha256({"abc"}).hex() ==
        "c3494ca1a2cf8eeb8a11ded316fb55b83c3bbbedb6313cd50415251e5d09e12f");
  CHECK(sha256({"a", "bc"}) != sha256({"ab", "c"}));
  CHECK(sha256({"abc"}) != sha256({"abc", ""}));
}

TEST_CASE("clock: a manual one moves when told to, and the wall clock can be skewed", "[clock]") {
  ManualClock clock;
  const MonotonicTime begin = clock.now();
  const WallTime wall = clock.wall_now();
  clock.advance(1500ms);
  CHECK(clock.now() - begin == 1500ms);
  CHECK(clock.coarse_now() == clock.now());
  CHECK(clock.wall_now() - wall == 1500ms);
  clock.skew_wall(-1h);
  CHECK(clock.now() - begin == 1500ms);
  CHECK(clock.wall_now() < wall);
}

TEST_CASE("clock: the system's coarse clock is never ahead of the precise one", "[clock]") {
  for (int i = 0; i < 1000; ++i) {
    const MonotonicTime coarse = system_clock().coarse_now();
    if (coarse > system_clock().now()) FAIL("the coarse clock is ahead");
  }
  CHECK(system_clock().wall_now() > WallTime(std::chrono::hours(24 * 365 * 50)));
}

TEST_CASE("clock: a span without end ends at the end of time", "[clock]") {
  const MonotonicTime now{1000s};
  CHECK(detail::after(now, 5s) == now + 5s);
  CHECK(detail::after(now, std::chrono::nanoseconds::max()) == MonotonicTime::max());
  CHECK(detail::after(now, -5s) == now - 5s);
}

TEST_CASE("random: two draws differ", "[random]") { CHECK(random_u64() != random_u64()); }

TEST_CASE("counter: no increment is lost between threads", "[counter]") {
  StripedCounter counter;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 10'000; ++i) counter.add();
      });
  }
  CHECK(counter.get() == 40'000);
}

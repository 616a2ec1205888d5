#include "querymark/read/outcome.hpp"

#include <catch2/catch.hpp>
#include <set>

namespace {

using namespace querymark;
using namespace std::chrono_literals;

}  // namespace

TEST_CASE("outcome: one line tells people what happened", "[outcome]") {
  CHECK(describe({.status = ReadStatus::hit,
                  .origin = Origin::memory,
                  .stored = Stored::already,
                  .age = 3s}) == "hit from memory, 3 s old");
  CHECK(describe({.status = ReadStatus::miss, .stored = Stored::oversize}) ==
        "miss from database, not stored: oversize");
  CHECK(describe({.status = ReadStatus::degraded,
                  .origin = Origin::memory,
                  .stored = Stored::already,
                  .age = 125s}) == "degraded from memory, 2 min old");
  CHECK(describe({.status = ReadStatus::hit, .origin = Origin::shared_tier, .age = 7h}) ==
        "hit from shared tier, 7 h old");
  CHECK(describe({.status = ReadStatus::outdated,
                  .origin = Origin::memory,
                  .stored = Stored::already,
                  .age = 1s}) == "outdated from memory, 1 s old");
  CHECK(describe({.status = ReadStatus::miss, .stored = Stored::declined}) ==
        "miss from database, not stored: its rows are not to be kept");
  CHECK(fmt::format("{}", Outcome{}) == "miss from database");
}

TEST_CASE("outcome: every state has a name of its own", "[outcome]") {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Stored::declined); ++i)
    names.insert(to_string(static_cast<Stored>(i)));
  CHECK(names.size() == static_cast<std::size_t>(Stored::declined) + 1);
  CHECK(names.count("unknown") == 0);
  std::set<std::string_view> statuses;
  for (int i = 0; i <= static_cast<int>(ReadStatus::outdated); ++i)
    statuses.insert(to_string(static_cast<ReadStatus>(i)));
  CHECK(statuses.size() == static_cast<std::size_t>(ReadStatus::outdated) + 1);
  CHECK(statuses.count("unknown") == 0);
}

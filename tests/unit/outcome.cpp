#include "querymark/read/outcome.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <set>
#include <type_traits>
#include <utility>

#include "unit/read_fixture.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;

// A temporary's would dangle.
template <class Handle>
constexpr bool kHoldsItsOwn = std::is_same_v<decltype(std::declval<Handle>().outcome()), Outcome>;
static_assert(kHoldsItsOwn<Result> && kHoldsItsOwn<Rows<int>> && kHoldsItsOwn<Cached<int>>);

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
  CHECK(describe({.status = ReadStatus::miss, .refused = Refused::invalidated}) ==
        "miss from database, where memory's value was invalidated");
  CHECK(describe({.status = ReadStatus::stale,
                  .origin = Origin::memory,
                  .stored = Stored::already,
                  .refused = Refused::expired,
                  .age = 2s}) == "stale from memory, 2 s old");
  CHECK(describe({.status = ReadStatus::hit,
                  .origin = Origin::memory,
                  .stored = Stored::already,
                  .unverified = true,
                  .age = 2s}) == "hit from memory, 2 s old, unverified");
  CHECK(
      describe({.status = ReadStatus::bypass,
                .stored = Stored::unproven,
                .reason = "public:audit is not tracked"}) ==
      "bypass from database, not stored: its tags can't be found out: public:audit is not tracked");
}

TEST_CASE("outcome: why it was not kept is told in words, and nothing where it was", "[outcome]") {
  CHECK(Outcome{}.why().empty());
  CHECK(Outcome{.status = ReadStatus::hit, .stored = Stored::already}.why().empty());
  CHECK(Outcome{.stored = Stored::oversize}.why() == "oversize");
  CHECK(Outcome{.stored = Stored::unproven, .reason = "it calls random()"}.why() ==
        "it calls random()");
  CHECK(Outcome{.status = ReadStatus::hit, .stored = Stored::already, .unverified = true}.why() ==
        "it depends on more than triggers report");
}

TEST_CASE("outcome: a miss says why what memory had was not served", "[outcome]") {
  test::ReadFixture f;
  const auto by_id = f.prepare("select n from p where id = ?").tag(tag("p"));
  const auto prepared = [&] { return by_id(std::int64_t{7}).outcome(); };
  const auto query = [&] { return f.query("select n").tag(tag("p")).ttl(1min).fetch().outcome(); };
  const auto value = [&] {
    return get_or_load<int>(f.source, "n", {.tags = {tag("p")}}, [] { return 1; }).outcome();
  };
  const auto strong = [&] { return by_id.strong()(std::int64_t{8}).outcome(); };
  for (const auto& read : {std::function<Outcome()>(prepared), std::function<Outcome()>(query),
                           std::function<Outcome()>(value), std::function<Outcome()>(strong)}) {
    CHECK(read().refused == Refused::nothing);
    f.invalidate(tag("p"));
    CHECK(read().refused == Refused::invalidated);
    CHECK(read().is_hit());
    CHECK(read().refused == Refused::nothing);
    f.clock.advance(1h);
    CHECK(read().refused == Refused::expired);
  }
  static_cast<void>(f.query("select n").tag(tag("q")).fetch());
  CHECK(query().refused == Refused::targets_differ);
}

TEST_CASE("outcome: every state has a name of its own", "[outcome]") {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Refused::targets_differ); ++i)
    names.insert(to_string(static_cast<Refused>(i)));
  CHECK(names.size() == 4);
  names.clear();
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

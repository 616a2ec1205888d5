#include "querymark/follow/subscriber.hpp"

#include <catch2/catch.hpp>

#include "unit/subscriber_fixture.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using Fixture = test::SubscriberFixture;

const Target kA = tag("a");
const Target kB = tag("b");

}  // namespace

TEST_CASE("subscriber: a catch-up applies what was committed before it", "[subscriber]") {
  Fixture f;
  f.attach();
  const std::uint64_t stamp = f.marks.generation();
  f.write(kA);
  CHECK(f.unchanged(stamp, kA));
  f.subscriber.catch_up();
  CHECK_FALSE(f.unchanged(stamp, kA));
  CHECK(f.unchanged(stamp, kB));
  CHECK(f.marks.cursor() == f.real.now());
  CHECK(f.subscriber.polls() == 1);
}

TEST_CASE("subscriber: what was applied is not applied again", "[subscriber]") {
  Fixture f;
  f.attach();
  f.write(kA);
  f.subscriber.catch_up();
  const std::uint64_t loaded = f.marks.generation();
  f.write(kB);
  f.subscriber.catch_up();
  f.subscriber.catch_up();
  CHECK(f.unchanged(loaded, kA));
  CHECK(f.marks.generation() == loaded + 1);
}

TEST_CASE("subscriber: a backlog is read page by page, and all of it is applied", "[subscriber]") {
  Fixture f({.page_size = 3});
  f.attach();
  const std::uint64_t stamp = f.marks.generation();
  for (int i = 0; i < 10; ++i) f.write(entity("p", i));
  f.subscriber.catch_up();
  CHECK(f.outbox.reads == 4);
  for (int i = 0; i < 10; ++i) CHECK_FALSE(f.unchanged(stamp, entity("p", i)));
  CHECK(f.unchanged(stamp, kA));
  CHECK(f.marks.cursor() == f.real.now());
}

TEST_CASE("subscriber: rows written while pages are read belong to the next catch-up",
          "[subscriber]") {
  Fixture f({.page_size = 2});
  f.attach();
  for (int i = 0; i < 5; ++i) f.write(entity("p", i));
  const Cursor end = f.real.now();
  int page = 0;
  f.outbox.before_read = [&] {
    if (++page == 2) f.write(kA);
  };
  const std::uint64_t stamp = f.marks.generation();
  f.subscriber.catch_up();
  CHECK(f.marks.cursor() == end);
  CHECK(f.unchanged(stamp, kA));
  f.outbox.before_read = {};
  f.subscriber.catch_up();
  CHECK_FALSE(f.unchanged(stamp, kA));
}

TEST_CASE("subscriber: an own commit shown by a later page is skipped", "[subscriber]") {
  Fixture f({.page_size = 1});
  f.attach();
  f.write(kB);
  const Receipt own = f.write(kA);
  const MarkUpdate update{kA.id(), own.position};
  f.marks.apply_own(own.epoch, {&update, 1});
  const std::uint64_t loaded = f.marks.generation();
  f.subscriber.catch_up();
  CHECK(f.unchanged(loaded, kA));
  CHECK_FALSE(f.unchanged(loaded, kB));
  CHECK(f.marks.remembered() == 0);
}

TEST_CASE("subscriber: beyond a limit it flushes and jumps instead of reading", "[subscriber]") {
  Fixture f({.page_size = 2, .jump_after = 5});
  f.attach();
  for (int i = 0; i < 20; ++i) f.write(entity("p", i));
  const std::uint64_t stamp = f.marks.generation();
  const std::uint64_t restarts = f.marks.restarts();
  f.subscriber.catch_up();
  CHECK(f.outbox.reads == 3);
  CHECK(f.marks.restarts() == restarts + 1);
  CHECK_FALSE(f.unchanged(stamp, kA));
  CHECK(f.marks.cursor() == f.real.now());
  CHECK(f.marks.floor() == Position{21});
}

TEST_CASE("subscriber: pages lose nothing to an own commit that moves the cursor meanwhile",
          "[subscriber]") {
  Fixture f({.page_size = 2});
  f.attach();
  const std::uint64_t stamp = f.marks.generation();
  f.outbox.before_read = [&] {
    f.outbox.before_read = nullptr;
    const Cursor from = f.marks.cursor();
    const Receipt own = f.write(kA);
    const MarkUpdate update{kA.id(), own.position};
    CHECK(f.marks.apply_next(from, {&update, 1}, f.real.now()));
    for (int i = 0; i < 5; ++i) f.write(entity("p", i));
  };
  f.subscriber.catch_up();
  CHECK_FALSE(f.unchanged(stamp, kA));
  for (int i = 0; i < 5; ++i) CHECK_FALSE(f.unchanged(stamp, entity("p", i)));
  CHECK(f.marks.cursor() == f.real.now());
}

TEST_CASE("subscriber: a log pruned past it flushes and starts again", "[subscriber]") {
  Fixture f;
  f.attach();
  for (int i = 0; i < 5; ++i) f.write(entity("p", i));
  f.real.prune(Position{4});
  const std::uint64_t stamp = f.marks.generation();
  f.subscriber.catch_up();
  CHECK_FALSE(f.unchanged(stamp, kA));
  CHECK(f.marks.cursor() == f.real.now());
  CHECK(f.marks.floor() == Position{6});
}

TEST_CASE("subscriber: pruning what it has applied costs nothing", "[subscriber]") {
  Fixture f;
  f.attach();
  for (int i = 0; i < 5; ++i) f.write(entity("p", i));
  f.subscriber.catch_up();
  f.real.prune(Position{6});
  const std::uint64_t stamp = f.marks.generation();
  f.write(kA);
  f.subscriber.catch_up();
  CHECK_FALSE(f.unchanged(stamp, kA));
  CHECK(f.unchanged(stamp, kB));
}

TEST_CASE("subscriber: another history flushes and starts again", "[subscriber]") {
  Fixture f;
  f.attach();
  f.write(kA);
  f.subscriber.catch_up();
  const std::uint64_t stamp = f.marks.generation();
  f.real.replace_history();
  f.write(kB);
  f.subscriber.catch_up();
  CHECK_FALSE(f.unchanged(stamp, tag("anything")));
  CHECK(f.marks.cursor() == f.real.now());
  const std::uint64_t loaded = f.marks.generation();
  f.write(kA);
  f.subscriber.catch_up();
  CHECK_FALSE(f.unchanged(loaded, kA));
  CHECK(f.unchanged(loaded, kB));
}

TEST_CASE("subscriber: a malformed row may mean anything, so it flushes", "[subscriber]") {
  Fixture f;
  f.attach();
  const std::uint64_t stamp = f.marks.generation();
  f.real.append_malformed();
  f.subscriber.catch_up();
  CHECK_FALSE(f.unchanged(stamp, kA));
  CHECK(f.subscriber.malformed_rows() == 1);
  CHECK_FALSE(f.accepts(1, kA));
  CHECK(f.marks.cursor() == f.real.now());
}

TEST_CASE("subscriber: history makes older shared values usable, and only the right ones",
          "[subscriber]") {
  Fixture f({.page_size = 2});
  for (int i = 0; i < 6; ++i) f.write(entity("p", i));
  f.write(kA);  // position 7
  f.real.prune(Position{3});
  f.attach();
  CHECK_FALSE(f.accepts(7, kB));
  f.subscriber.read_history();
  CHECK(f.marks.floor() == Position{3});
  CHECK(f.accepts(3, kB));
  CHECK_FALSE(f.accepts(2, kB));
  CHECK_FALSE(f.accepts(7, kA));
  CHECK(f.accepts(8, kA));
  CHECK_FALSE(f.accepts(5, entity("p", 4)));
  CHECK(f.accepts(6, entity("p", 4)));
}

TEST_CASE("subscriber: a history pruned or replaced while it is read lowers no floor",
          "[subscriber]") {
  Fixture f({.page_size = 2});
  for (int i = 0; i < 6; ++i) f.write(entity("p", i));
  f.attach();
  int page = 0;
  SECTION("pruned") {
    f.outbox.before_read = [&] {
      if (++page == 2) f.real.prune(Position{5});
    };
  }
  SECTION("replaced") {
    f.outbox.before_read = [&] {
      if (++page == 2) f.real.replace_history();
    };
  }
  f.subscriber.read_history();
  CHECK(f.marks.floor() == Position{7});
}

TEST_CASE("subscriber: a failed catch-up throws, changes no mark and claims no freshness",
          "[subscriber]") {
  Fixture f;
  f.attach();
  f.subscriber.catch_up();
  CHECK(f.marks.trusted(f.clock.now() + 4s));
  f.write(kA);
  f.outbox.down = true;
  f.clock.advance(3s);
  CHECK_THROWS_AS(f.subscriber.catch_up(), Error);
  CHECK(f.subscriber.polls() == 1);
  CHECK(f.marks.trusted(f.clock.now()));
  f.clock.advance(2s);
  CHECK_FALSE(f.marks.trusted(f.clock.now()));
  f.outbox.down = false;
  f.subscriber.catch_up();
  CHECK(f.marks.trusted(f.clock.now()));
  CHECK(f.marks.cursor() == f.real.now());
}

TEST_CASE("subscriber: trust counts from the beginning of a poll, not from its end",
          "[subscriber]") {
  Fixture f;
  f.attach();
  f.outbox.before_read = [&] { f.clock.advance(4s); };
  f.subscriber.catch_up();
  CHECK(f.marks.trusted(f.clock.now() + 999ms));
  CHECK_FALSE(f.marks.trusted(f.clock.now() + 1s));
}

TEST_CASE("subscriber: pages that fail halfway are read again", "[subscriber]") {
  Fixture f({.page_size = 2});
  f.attach();
  const Cursor before = f.marks.cursor();
  const std::uint64_t stamp = f.marks.generation();
  for (int i = 0; i < 5; ++i) f.write(entity("p", i));
  int page = 0;
  f.outbox.before_read = [&] {
    if (++page == 2) throw Error("cut off");
  };
  CHECK_THROWS_AS(f.subscriber.catch_up(), Error);
  CHECK(f.marks.cursor() == before);
  f.subscriber.catch_up();
  for (int i = 0; i < 5; ++i) CHECK_FALSE(f.unchanged(stamp, entity("p", i)));
}

TEST_CASE("subscriber: a horizon that stands still below the limit has an age (hard case 20)",
          "[subscriber]") {
  Fixture f;
  const Epoch epoch = f.real.now().epoch;
  f.marks.restart({epoch, Snapshot({5}, {5}, {}), {}});
  const auto poll = [&](const Snapshot& snapshot) {
    f.outbox.end = Cursor{epoch, snapshot, {}};
    f.subscriber.catch_up();
    f.clock.advance(1s);
    return f.subscriber.horizon_age();
  };
  CHECK(poll(Snapshot({6}, {6}, {})) == 0s);
  CHECK(poll(Snapshot({6}, {8}, {{6}})) == 1s);
  CHECK(poll(Snapshot({6}, {9}, {Position{6}, Position{8}})) == 2s);
  CHECK(poll(Snapshot({8}, {9}, {{8}})) == 1s);  // it moved: another one holds it now
  CHECK(poll(Snapshot({9}, {9}, {})) == 0s);
}

TEST_CASE("subscriber: its thread applies what the doorbell tells, and stops cleanly",
          "[subscriber]") {
  Fixture f;
  f.write(kB);
  f.subscriber.start();
  CHECK(f.marks.cursor() == f.real.now());  // before anything is read from the cache
  CHECK(f.marks.trusted(f.clock.now()));
  f.doorbell.await_waits(1);
  const std::uint64_t stamp = f.marks.generation();
  f.write(kA);
  f.doorbell.ring();
  f.doorbell.await_waits(2);
  CHECK_FALSE(f.unchanged(stamp, kA));
  f.subscriber.stop();
  f.subscriber.stop();
  f.write(kB);
  const std::uint64_t stopped = f.marks.generation();
  f.doorbell.ring();
  CHECK(f.unchanged(stopped, kB));
}

TEST_CASE("subscriber: its thread survives a database that is gone for a while", "[subscriber]") {
  Fixture f;
  f.subscriber.start();
  f.doorbell.await_waits(1);
  f.outbox.down = true;
  f.doorbell.ring();
  f.doorbell.await_waits(2);
  CHECK(f.subscriber.failures() == 1);
  f.outbox.down = false;
  const std::uint64_t stamp = f.marks.generation();
  f.write(kA);
  f.doorbell.ring();
  f.doorbell.await_waits(3);
  CHECK_FALSE(f.unchanged(stamp, kA));
}

TEST_CASE("subscriber: a start that can't reach the database starts nothing", "[subscriber]") {
  Fixture f;
  f.outbox.down = true;
  CHECK_THROWS_AS(f.subscriber.start(), Error);
  CHECK_FALSE(f.marks.trusted(f.clock.now()));
  CHECK(f.doorbell.waits() == 0);
  f.outbox.down = false;
  f.subscriber.start();
  CHECK(f.marks.trusted(f.clock.now()));
}

TEST_CASE("subscriber: callers that catch up at once never move the cursor back", "[subscriber]") {
  Fixture f({.page_size = 4});
  f.attach();
  std::atomic<bool> went_back{false};
  std::atomic<bool> missed{false};
  std::vector<std::jthread> callers;
  for (int t = 0; t < 3; ++t) {
    callers.emplace_back([&] {
      Position limit;
      for (int i = 0; i < 500; ++i) {
        const Receipt receipt = f.write(entity("p", i % 7));
        f.subscriber.catch_up();
        const Snapshot seen = f.marks.cursor().snapshot;
        if (!seen.covers(receipt.position)) missed = true;
        if (seen.limit() < limit) went_back = true;
        limit = seen.limit();
      }
    });
  }
  callers.clear();
  CHECK_FALSE(went_back);
  CHECK_FALSE(missed);
  CHECK(f.marks.cursor() == f.real.now());
}

TEST_CASE("subscriber: rows that nobody rang for make polls more frequent for a while",
          "[subscriber]") {
  Fixture f({.max_lag = 3s, .poll_interval = 80ms});
  f.subscriber.start();
  int waits = 1;
  f.doorbell.await_waits(1);
  // Ends the thread's wait; returns what it then asks for, which jitter may shorten.
  const auto pause_after = [&](std::chrono::nanoseconds slept) {
    f.clock.advance(slept);
    f.doorbell.ring();
    f.doorbell.await_waits(++waits);
    return f.doorbell.timeout();
  };
  const auto about = [](std::chrono::nanoseconds pause, std::chrono::nanoseconds full) {
    return pause <= full && pause >= full * 3 / 4;
  };
  CHECK(about(f.doorbell.timeout(), 80ms));
  CHECK(about(pause_after(80ms), 80ms));
  f.write(kA);
  CHECK(about(pause_after(1ms), 80ms));  // rung for
  f.write(kA);
  CHECK(about(pause_after(80ms), 10ms));
  CHECK(about(pause_after(10ms), 20ms));
  CHECK(about(pause_after(20ms), 40ms));
  f.real.replace_history();
  CHECK(about(pause_after(40ms), 10ms));
  CHECK(about(pause_after(1ms), 10ms));
  f.outbox.down = true;
  CHECK(about(pause_after(10ms), 80ms));
  CHECK(about(pause_after(1ms), 160ms));
  f.outbox.down = false;
  CHECK(about(pause_after(160ms), 80ms));
}

TEST_CASE("subscriber: a look that was over too late to be trusted is followed by another soon",
          "[subscriber]") {
  Fixture f({.max_lag = 3s, .poll_interval = 800ms});
  f.subscriber.start();
  f.doorbell.await_waits(1);
  f.outbox.before_read = [&] { f.clock.advance(3s); };  // it stands still meanwhile, or its server
  f.doorbell.ring();
  f.doorbell.await_waits(2);
  CHECK_FALSE(f.marks.trusted(f.clock.now()));
  CHECK(f.doorbell.timeout() <= 12500us);
  f.outbox.before_read = {};
  f.doorbell.ring();
  f.doorbell.await_waits(3);
  CHECK(f.marks.trusted(f.clock.now()));
}

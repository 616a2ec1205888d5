// A subscriber's row among the others: when it enters, what its heartbeats say, and what is trusted.

#include <algorithm>
#include <catch2/catch.hpp>

#include "querymark/log/pruner.hpp"
#include "unit/log_fixture.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

/// The log in memory, whose heartbeats can be lost on the way.
class Wire final : public LogReader {
 public:
  explicit Wire(MemoryOutbox& real) : real_(real) {}
  [[nodiscard]] Cursor now() override {
    if (on_now) on_now();
    return real_.now();
  }
  [[nodiscard]] TailPage read(const TailRequest& request) override {
    TailRequest sent = request;
    if (lose_beats) sent.beat.reset();
    beats += sent.beat ? 1 : 0;
    counts += sent.beat && sent.beat->count_live ? 1 : 0;
    if (on_read) on_read();
    return real_.read(sent);
  }
  [[nodiscard]] Cursor retained() override { return real_.retained(); }
  [[nodiscard]] bool holds(const Receipt& receipt) override { return real_.holds(receipt); }

  bool lose_beats = false;
  int beats = 0;
  int counts = 0;
  std::function<void()> on_now;
  std::function<void()> on_read;

 private:
  MemoryOutbox& real_;
};

/// Where the subscribers are listed, which can be told to refuse who enters.
class List final : public Subscribers {
 public:
  explicit List(MemoryOutbox& real) : real_(real) {}
  void enter(const SubscriberEntry& entry) override {
    if (refuses) throw Error("nobody answers", {.connection_lost = true});
    real_.enter(entry);
  }
  [[nodiscard]] Beaten beat(SubscriberId id, const Cursor& cursor) override {
    ++beats;
    return real_.beat(id, cursor);
  }
  void leave(SubscriberId id) override { real_.leave(id); }
  [[nodiscard]] std::vector<SubscriberRow> subscribers() override { return real_.subscribers(); }
  bool reap(SubscriberId id, std::uint64_t seen) override { return real_.reap(id, seen); }
  void ask_report() override { real_.ask_report(); }

  std::atomic<bool> refuses{false};
  std::atomic<int> beats{0};  ///< That came by themselves, not with a look at the log.

 private:
  MemoryOutbox& real_;
};

struct Fixture {
  explicit Fixture(std::chrono::nanoseconds lag = 5s) : max_lag(lag) {}
  std::chrono::nanoseconds max_lag;
  ManualClock clock;
  MemoryOutbox real{"shop", clock};
  Wire wire{real};
  List list{real};
  FakeDoorbell doorbell;
  Marks marks{4096};
  Subscriber subscriber{
      "shop", wire, doorbell, marks, {.max_lag = max_lag, .clock = &clock, .subscribers = &list}};

  [[nodiscard]] bool trusted() const { return marks.trusted(clock.now()); }
  [[nodiscard]] SubscriberRow row() {
    const auto rows = real.subscribers();
    REQUIRE(rows.size() == 1);
    return rows.front();
  }
  void lose_row() {
    const SubscriberRow gone = row();
    REQUIRE(real.reap(gone.entry.id, gone.beat));
  }
};

}  // namespace

TEST_CASE("heartbeats: a subscriber enters before its first snapshot (hard case 61)",
          "[heartbeats]") {
  Fixture f;
  bool entered = false;
  f.wire.on_now = [&] { entered = f.real.subscribers().size() == 1; };
  f.subscriber.begin();
  CHECK(entered);
  CHECK_FALSE(f.row().cursor);  // nobody takes it for further than it is
  CHECK(f.trusted());
  f.subscriber.stop();
  CHECK(f.real.subscribers().empty());
}

TEST_CASE("heartbeats: they travel with polls, tell the cursor, and count every tenth time",
          "[heartbeats]") {
  Fixture f;
  f.subscriber.begin();
  f.subscriber.catch_up();
  CHECK(f.wire.beats == 1);
  CHECK(f.subscriber.live_subscribers() == 1);
  const Receipt receipt = f.real.append(batch(tag("a")));
  f.subscriber.catch_up();  // too soon for another
  CHECK(f.wire.beats == 1);
  CHECK_FALSE(f.row().cursor->snapshot.covers(receipt.position));
  f.clock.advance(2s);
  f.subscriber.catch_up();
  CHECK(f.wire.beats == 2);
  CHECK(f.row().cursor->snapshot.covers(receipt.position));
  f.real.enter(SubscriberEntry::of_process(10s));
  for (int i = 0; i < 9; ++i) {
    f.clock.advance(2s);
    f.subscriber.catch_up();
  }
  CHECK(f.wire.beats == 11);
  CHECK(f.wire.counts == 5);  // while young at each, then at every tenth
  CHECK(f.subscriber.live_subscribers() == 2);
}

TEST_CASE(
    "heartbeats: while they are lost, polls alone do not keep a process trusted (hard case 15)",
    "[heartbeats]") {
  Fixture f;
  f.subscriber.begin();
  f.subscriber.catch_up();
  const auto lease = f.row().entry.lease;
  CHECK(lease == 10s);
  f.wire.lose_beats = true;
  f.clock.advance(7s);
  f.subscriber.catch_up();
  CHECK(f.trusted());
  // Before anybody can take it for dead.
  f.clock.advance(2s);
  f.subscriber.catch_up();
  CHECK_FALSE(f.trusted());
  f.wire.lose_beats = false;
  f.subscriber.catch_up();
  CHECK(f.trusted());
}

TEST_CASE(
    "heartbeats: acknowledged ones do not keep a process trusted that can't poll (hard case 15)",
    "[heartbeats]") {
  Fixture f(1s);
  f.subscriber.begin();
  f.subscriber.catch_up();
  CHECK(f.row().entry.lease == 10s);
  f.clock.advance(1001ms);
  CHECK_FALSE(f.trusted());
}

TEST_CASE("heartbeats: nobody trusts itself past its lease, from its first snapshot on",
          "[heartbeats]") {
  Fixture f(48h);  // longer than any lease
  f.subscriber.begin();
  CHECK(f.row().entry.lease == 24h);
  f.clock.advance(19h);
  CHECK(f.trusted());
  f.clock.advance(1h);
  CHECK_FALSE(f.trusted());
}

TEST_CASE("heartbeats: whose row is gone enters, polls, and only then trusts again",
          "[heartbeats]") {
  Fixture f;
  f.subscriber.begin();
  f.subscriber.catch_up();
  f.lose_row();
  f.clock.advance(4s);
  CHECK(f.trusted());
  std::vector<bool> trusted_at_read;
  std::vector<bool> entered_at_read;
  f.wire.on_read = [&] {
    trusted_at_read.push_back(f.trusted());
    entered_at_read.push_back(!f.real.subscribers().empty());
  };
  f.subscriber.catch_up();
  CHECK(trusted_at_read == std::vector<bool>{true, false});
  CHECK(entered_at_read == std::vector<bool>{false, true});
  CHECK(f.trusted());
}

TEST_CASE("heartbeats: whose row goes again while it enters anew is not trusted before it is there",
          "[heartbeats]") {
  Fixture f;
  f.subscriber.begin();
  f.subscriber.catch_up();
  f.clock.advance(4s);
  f.wire.on_read = [&] {
    if (!f.real.subscribers().empty()) f.lose_row();
  };
  f.subscriber.catch_up();
  CHECK_FALSE(f.trusted());
  f.wire.on_read = nullptr;
  f.subscriber.catch_up();
  CHECK(f.trusted());
}

TEST_CASE("heartbeats: whose row is gone has been trusted no longer for each attempt to enter anew",
          "[heartbeats]") {
  Fixture f;
  f.subscriber.begin();
  f.subscriber.catch_up();
  f.lose_row();
  f.list.refuses = true;
  f.clock.advance(4s);
  CHECK_THROWS_AS(f.subscriber.catch_up(), Error);
  const MonotonicTime reached = f.clock.now();
  CHECK(f.marks.trusted_until() == reached);
  f.clock.advance(1h);
  CHECK_THROWS_AS(f.subscriber.catch_up(), Error);
  CHECK(f.marks.trusted_until() == reached);
}

TEST_CASE(
    "heartbeats: who was stopped past its lease, and past a pruning, enters and starts anew (hard "
    "case 56)",
    "[heartbeats]") {
  Fixture f;
  f.subscriber.begin();
  f.subscriber.catch_up();
  const std::uint64_t restarts = f.marks.restarts();
  Pruner pruner(f.real, f.real, {.retention = 0s, .clock = &f.clock});
  static_cast<void>(pruner.run_once());
  f.real.append(batch(tag("a")));
  f.clock.advance(1h);  // SIGSTOP, or the machine sleeps: nobody sets a flag
  CHECK_FALSE(f.trusted());
  const PruneRound round = pruner.run_once();
  CHECK(round.removed == 1);
  CHECK(f.real.subscribers().empty());
  f.subscriber.catch_up();
  CHECK(f.marks.restarts() == restarts + 1);
  CHECK(f.row().cursor);
  CHECK(f.trusted());
}

TEST_CASE("heartbeats: another history is another entry", "[heartbeats]") {
  Fixture f;
  f.subscriber.begin();
  f.subscriber.catch_up();
  f.real.replace_history();
  f.lose_row();  // as a crash does
  f.subscriber.catch_up();
  CHECK(f.row().cursor.has_value());
  CHECK(f.row().cursor->epoch == f.marks.cursor().epoch);
  CHECK(f.trusted());
}

TEST_CASE("heartbeats: whoever is asked to report tells at once where it has come",
          "[heartbeats]") {
  Fixture f;
  f.subscriber.start();
  f.doorbell.await_waits(1);
  const Receipt receipt = f.real.append(batch(tag("a")));
  f.doorbell.ask_report();
  f.doorbell.await_waits(2);
  CHECK(f.row().cursor->snapshot.covers(receipt.position));
  const Receipt next = f.real.append(batch(tag("b")));
  f.doorbell.ask_report();  // within 100 ms
  f.doorbell.await_waits(3);
  CHECK_FALSE(f.row().cursor->snapshot.covers(next.position));
  CHECK(f.doorbell.timeout() <= 100ms);
  f.clock.advance(100ms);
  f.doorbell.ring();
  f.doorbell.await_waits(4);
  CHECK(f.row().cursor->snapshot.covers(next.position));
}

TEST_CASE("heartbeats: a report that was asked for once is made once", "[heartbeats]") {
  Fixture f;
  f.subscriber.start();
  f.doorbell.await_waits(1);
  f.doorbell.ask_report();
  f.doorbell.await_waits(2);
  CHECK(f.list.beats == 1);
  CHECK(f.doorbell.timeout() > 100ms);  // no other is due
  f.clock.advance(100ms);
  f.doorbell.ring();
  f.doorbell.await_waits(3);
  CHECK(f.list.beats == 1);
}

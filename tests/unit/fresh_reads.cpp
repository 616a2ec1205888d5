#include <sys/syscall.h>
#include <unistd.h>
#include <catch2/catch.hpp>
#include <future>
#include <thread>

#include "querymark/testing/memory_database.hpp"
#include "support/rows.hpp"
#include "unit/asleep.hpp"
#include "unit/read_fixture.hpp"
#include "unit/subscriber_fixture.hpp"

// Two processes on one log, neither of which has a thread that reads it: each knows just what it
// was told.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::only;
using testing::Call;
using testing::MemoryDatabase;

constexpr const char* kNumber = "select n from t";

struct Fixture {
  Cache cache{{.memory_bytes = 16U << 20U}};
  Cache other_cache{{.memory_bytes = 16U << 20U}};
  MemoryDatabase writer{cache};
  MemoryDatabase reader{other_cache, writer};
  std::int64_t n = 1;

  Fixture() {
    writer.on_query(kNumber, [this](const Call&) { return test::number(n); });
    writer.on_execute("set", [this](const Call& call) {
      n = call[0].as<std::int64_t>();
      return 1;
    });
  }
  Receipt set(std::int64_t value) {
    return writer
        .write([&](Transaction& tx) {
          tx.execute("set", value);
          tx.invalidate(tag("t"));
        })
        .receipt;
  }
  [[nodiscard]] Query number() { return reader.query(kNumber).tag(tag("t")); }
};

// Polls of a subscriber, the first of which stops in the middle, with its answer in hand.
struct HeldPoll {
  explicit HeldPoll(test::SubscriberFixture& of) : f(of) {
    f.outbox.before_read = [this] {
      if (++begun != 1) {
        f.outbox.end.reset();
        return;
      }
      f.outbox.end = f.real.now();
      begun.notify_all();
      released.wait(false);
    };
  }
  test::SubscriberFixture& f;
  std::atomic<int> begun{0};
  std::atomic<bool> released{false};
};

struct Reader {
  explicit Reader(Subscriber& subscriber)
      : done(std::async(std::launch::async, [this, &subscriber] {
          thread.store(::syscall(SYS_gettid));
          thread.notify_all();
          return Consistency::strong().reach(subscriber);
        })) {}
  void await_waiting() const {
    thread.wait(0);
    while (!test::is_asleep(thread.load())) std::this_thread::yield();
  }
  std::atomic<long> thread{0};
  std::future<bool> done;
};

}  // namespace

TEST_CASE("fresh reads: eventual serves what memory has, strong what the database has",
          "[fresh_reads]") {
  Fixture f;
  CHECK(only(f.number().fetch_as<std::int64_t>()) == 1);
  f.set(2);
  CHECK(only(f.number().fetch_as<std::int64_t>()) == 1);
  CHECK(only(f.number().strong().fetch_as<std::int64_t>()) == 2);
  CHECK(f.number().strong().fetch_as<std::int64_t>().outcome().is_hit());
  CHECK(f.number().fetch_as<std::int64_t>().outcome().is_hit());
}

TEST_CASE("fresh reads: at least a write is another process's write or later", "[fresh_reads]") {
  Fixture f;
  auto prepared = f.reader.prepare<std::int64_t>(kNumber).tag(tag("t"));
  const PreparedQuery<std::int64_t> named = prepared;
  CHECK(prepared.fetch_value() == 1);
  const Receipt receipt = f.set(2);
  CHECK(prepared.fetch_value() == 1);
  CHECK(named.at_least(receipt).fetch_value() == 2);
  f.set(3);
  CHECK(prepared.at_least(receipt)().outcome().is_hit());  // what it asked for is there
  CHECK(prepared.strong().fetch_one() == 3);
  CHECK(named.strong()().outcome().is_hit());
  CHECK(prepared.reading(Consistency::eventual())().outcome().is_hit());
}

TEST_CASE("fresh reads: values under a name of their own", "[fresh_reads]") {
  Fixture f;
  const auto number = [&](const Consistency& consistency) {
    return *f.reader.get_or_load<std::int64_t>(
        "n", {.tags = {tag("t")}, .consistency = consistency}, [&] { return f.n; });
  };
  CHECK(number({}) == 1);
  const Receipt receipt = f.set(2);
  CHECK(number({}) == 1);
  CHECK(number(Consistency::at_least(receipt)) == 2);
  f.set(3);
  CHECK(number(Consistency::at_least(receipt)) == 2);
  CHECK(number(Consistency::strong()) == 3);
}

TEST_CASE("fresh reads: a switched off query stays so for each consistency", "[fresh_reads]") {
  Fixture f;
  auto prepared = f.reader.prepare<std::int64_t>(kNumber).tag(tag("t"));
  const auto strong = prepared.strong();
  static_cast<void>(prepared());
  prepared.set_enabled(false);
  CHECK(strong().outcome().stored == Stored::disabled);
}

TEST_CASE("fresh reads: a receipt that can't become true costs a look at the log, no error",
          "[fresh_reads]") {
  Fixture f;
  Receipt receipt = f.set(2);
  receipt.position.value += 1000;
  static_cast<void>(f.number().strong().fetch_as<std::int64_t>());
  const std::uint64_t polls = f.reader.stats().polls;
  CHECK(only(f.number().at_least(receipt).fetch_as<std::int64_t>()) == 2);
  CHECK(f.reader.stats().polls == polls + 1);
  f.writer.log().replace_history();  // what follows is another history: the receipt means nothing
  CHECK(only(f.number().at_least(receipt).fetch_as<std::int64_t>()) == 2);
}

TEST_CASE("fresh reads: while the log can't be read the database is, for its error or its answer",
          "[fresh_reads]") {
  Fixture f;
  CHECK(only(f.number().fetch_as<std::int64_t>()) == 1);
  f.set(2);
  f.writer.set_reachable(false);
  CHECK(only(f.number().fetch_as<std::int64_t>()) == 1);
  CHECK_THROWS_AS(f.number().strong().fetch(), Error);
  f.writer.set_reachable(true);
  CHECK(only(f.number().strong().fetch_as<std::int64_t>()) == 2);
}

TEST_CASE("fresh reads: a strong read joins the next look at the log, never one that was under way",
          "[fresh_reads]") {
  test::SubscriberFixture f;
  f.attach();
  HeldPoll poll(f);
  Reader first(f.subscriber);
  poll.begun.wait(0);
  const Receipt receipt = f.write(tag("a"));  // the poll under way has an answer from before it
  std::vector<std::unique_ptr<Reader>> readers;
  for (int i = 0; i < 8; ++i) readers.push_back(std::make_unique<Reader>(f.subscriber));
  for (const auto& reader : readers) reader->await_waiting();
  poll.released.store(true);
  poll.released.notify_all();
  CHECK(first.done.get());
  for (const auto& reader : readers) CHECK(reader->done.get());
  CHECK(f.marks.includes(receipt.epoch, receipt.position));
  CHECK(poll.begun == 2);  // the eight share one
}

TEST_CASE("fresh reads: while polls fail, strong reads do not queue behind them", "[fresh_reads]") {
  test::SubscriberFixture f;
  f.attach();
  f.outbox.down = true;
  CHECK_FALSE(Consistency::strong().reach(f.subscriber));
  const int reads = f.outbox.reads;
  f.outbox.before_read = [] { FAIL("asked again"); };
  CHECK_FALSE(Consistency::strong().reach(f.subscriber));
  CHECK(f.outbox.reads == reads);
  CHECK(f.subscriber.failures() == 1);
}

TEST_CASE("fresh reads: at_least waits no longer than its patience", "[fresh_reads]") {
  test::SubscriberFixture f;
  f.subscriber.start();
  f.doorbell.await_waits(1);
  f.outbox.down = true;
  const Receipt receipt = f.write(tag("a"));
  CHECK_FALSE(Consistency::at_least(receipt, 1ms).reach(f.subscriber));
  f.outbox.down = false;
  CHECK(Consistency::at_least(receipt, 1h).reach(f.subscriber));
  CHECK(Consistency::at_least(receipt, 0ms).reach(f.subscriber));
}

#include <catch2/catch.hpp>
#include <deque>
#include <functional>
#include <memory>

#include "unit/read_machine_fixture.hpp"

// Reads without a thread of their own: an event loop, and a driver that returns to it instead of
// waiting, as ReadMachine describes it.

namespace {

using namespace querymark;
using namespace querymark::test;

class Loop {
 public:
  void post(std::function<void()> task) { tasks_.push_back(std::move(task)); }
  // Until nothing is left to do.
  void run() {
    while (!tasks_.empty()) {
      const auto task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    }
  }

 private:
  std::deque<std::function<void()>> tasks_;
};

// One call in progress. The test plays the database and the timer.
class AsyncRead final : public FlightWaker, public std::enable_shared_from_this<AsyncRead> {
 public:
  AsyncRead(Loop& loop, Source& source, std::string_view sql, ReadCaller caller)
      : loop_(loop),
        request_(source, {kA}, sql),
        machine_(std::in_place, source, request_, caller) {}

  void start() { go_on(machine_->start()); }
  [[nodiscard]] bool loading() const { return is<ReadMachine::Load>(action_); }
  [[nodiscard]] bool waiting() const { return is<ReadMachine::Await>(action_); }
  [[nodiscard]] bool done() const { return is<ReadMachine::Done>(action_); }
  [[nodiscard]] ReadCaller caller() const { return machine_->caller(); }
  ReadResult result() { return machine_->take_result(); }
  [[nodiscard]] int wakes() const { return wakes_; }

  void answer(std::int64_t n) { go_on(machine_->resume(brought(action_, n))); }
  void break_off(const char* what) {
    go_on(machine_->fail(std::make_exception_ptr(std::runtime_error(what))));
  }
  void deadline() { look(nullptr); }
  void cancel() { machine_.reset(); }

  void wake() noexcept override {
    ++wakes_;
    loop_.post([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && self->machine_ && self->waiting()) self->look(self.get());
    });
  }

 private:
  void go_on(Action action) {
    action_ = std::move(action);
    if (waiting()) look(this);
  }
  void look(FlightWaker* waker) {
    auto result = std::get<ReadMachine::Await>(action_).waiter->take(waker);
    if (result)
      go_on(machine_->resume(std::move(*result)));
    else if (waker == nullptr)
      go_on(machine_->give_up());
  }

  Loop& loop_;
  NumberRequest request_;
  std::optional<ReadMachine> machine_;
  Action action_;
  int wakes_ = 0;
};

struct Fixture : MachineFixture {
  Loop loop;

  std::shared_ptr<AsyncRead> read(ReadCaller caller = ReadCaller::here(),
                                  std::string_view sql = "select n") {
    auto call = std::make_shared<AsyncRead>(loop, source, sql, caller);
    call->start();
    return call;
  }
};

}  // namespace

TEST_CASE("read machine callbacks: calls on one thread share a load", "[read_machine]") {
  Fixture f;
  const auto first = f.read();
  const auto second = f.read();
  const auto third = f.read();
  REQUIRE(first->loading());
  CHECK(second->waiting());
  CHECK(third->waiting());
  f.loop.run();
  CHECK(second->waiting());  // nothing to do: nobody looks in vain
  CHECK(second->wakes() == 0);
  first->answer(42);
  CHECK(first->done());
  f.loop.run();
  for (const auto& call : {second, third}) {
    REQUIRE(call->done());
    CHECK(call->wakes() == 1);
    const ReadResult result = call->result();
    CHECK(value_of(result) == 42);
    CHECK(result.outcome.status == ReadStatus::joined);
  }
  CHECK(f.cache.stats().misses == 1);
}

TEST_CASE("read machine callbacks: when the leading call is cancelled the next one loads",
          "[read_machine]") {
  Fixture f;
  const auto first = f.read();
  const auto second = f.read();
  const auto third = f.read();
  first->cancel();
  f.loop.run();
  REQUIRE(second->loading());
  CHECK(third->waiting());
  second->answer(7);
  f.loop.run();
  REQUIRE(third->done());
  CHECK(value_of(third->result()) == 7);
}

TEST_CASE("read machine callbacks: a call cancelled between its wake-up and its look hands on",
          "[read_machine]") {
  Fixture f;
  const auto first = f.read();
  auto second = f.read();
  const auto third = f.read();
  first->cancel();
  REQUIRE(second->wakes() == 1);
  REQUIRE(third->wakes() == 0);
  SECTION("as a whole") { second.reset(); }
  SECTION("its machine alone") { second->cancel(); }
  f.loop.run();
  CHECK(third->loading());
}

TEST_CASE("read machine callbacks: a deadline is the driver's", "[read_machine]") {
  Fixture f;
  const auto first = f.read();
  const auto second = f.read();
  const auto third = f.read();
  SECTION("it ends the wait, not the load") {
    second->deadline();
    REQUIRE(second->done());
    CHECK_THROWS_AS(second->result(), Timeout);
    first->answer(1);
    f.loop.run();
    CHECK(second->wakes() == 0);
    CHECK(value_of(third->result()) == 1);
    CHECK(f.cache.stats().load_failures == 0);
  }
  SECTION("a value that has come meanwhile wins") {
    first->answer(1);
    second->deadline();
    CHECK(value_of(second->result()) == 1);
  }
  SECTION("the lead that has come meanwhile wins") {
    first->cancel();
    second->deadline();
    CHECK(second->loading());
    f.loop.run();
    CHECK(third->waiting());
  }
}

TEST_CASE("read machine callbacks: an error ends all calls that share the load", "[read_machine]") {
  Fixture f;
  const auto first = f.read();
  const auto second = f.read();
  first->break_off("the server went away");
  f.loop.run();
  for (const auto& call : {first, second}) {
    REQUIRE(call->done());
    CHECK_THROWS_WITH(call->result(), "the server went away");
  }
  CHECK(f.read()->loading());
}

TEST_CASE("read machine callbacks: what a load reads waits for nobody, told by its caller's id",
          "[read_machine]") {
  // All on one thread: nothing but the id tells a nested read from a stranger's.
  Fixture f;
  const auto one = f.read(ReadCaller::here(), "select 1");
  const auto two = f.read(ReadCaller::here(), "select 2");
  REQUIRE(one->loading());
  REQUIRE(two->loading());
  const auto one_in_two = f.read(two->caller(), "select 1");
  const auto two_in_one = f.read(one->caller(), "select 2");
  CHECK(one_in_two->loading());
  CHECK(two_in_one->loading());
  const auto one_in_one = f.read(one->caller(), "select 1");
  REQUIRE(one_in_one->loading());
  one_in_one->answer(1);
  CHECK(one_in_one->result().outcome.stored == Stored::reentrant);
  const auto stranger = f.read(ReadCaller::here(), "select 1");
  CHECK(stranger->waiting());
  // A nested load of a key that is not in flight leads, and what it reads knows of both.
  const auto three_in_one = f.read(one->caller(), "select 3");
  REQUIRE(three_in_one->loading());
  const auto one_in_three = f.read(three_in_one->caller(), "select 1");
  REQUIRE(one_in_three->loading());
  one_in_three->answer(1);
  CHECK(one_in_three->result().outcome.stored == Stored::reentrant);
}

TEST_CASE("read machine callbacks: what a tagger throws is the call's error, and nobody waits",
          "[read_machine]") {
  struct Refusing final : ReadRequest {
    Refusing(const CallKey& key, const ReadOptions& said) : ReadRequest(key, said) {}
    void add_targets(std::vector<Target>& /*targets*/) const override {
      throw std::runtime_error("no tag");
    }
    Loaded load(const EntryInit& /*init*/) override { throw std::logic_error("driven by hand"); }
    [[nodiscard]] EntryRef materialize(const ResultSet& /*rows*/,
                                       const EntryInit& /*init*/) const override {
      throw std::logic_error("driven by hand");
    }
  };
  Fixture f;
  const NumberRequest like(f.source, {kA});
  Refusing request(like.call, like.options);
  ReadMachine machine(f.source, request);
  REQUIRE(is<ReadMachine::Done>(machine.start()));
  CHECK(machine.failed());
  CHECK_THROWS_WITH(machine.take_result(), "no tag");
  CHECK(f.read()->loading());
}

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "unit/async_fixture.hpp"

// What wakes a call on an event loop, and what its caller finds when it is told: each test forces one order.

namespace {

using namespace querymark;
namespace asio = boost::asio;
using Value = Cached<int>;
using Told = test::ToldOf<Value>;

// What a script did, which outlives it.
struct Did {
  std::size_t looks = 0;
  ReadWaker* waker = nullptr;
  bool gone = false;
};

// A read that does at each look what it is told, and then sleeps.
class Scripted final : public RunningReadOf<Value> {
 public:
  using Look = std::function<Next(ReadWaker&)>;
  Scripted(Did& did, std::vector<Look> script) : did_(did), script_(std::move(script)) {}
  ~Scripted() override { did_.gone = true; }
  [[nodiscard]] Next next(ReadWaker& waker) override {
    did_.waker = &waker;
    const std::size_t at = did_.looks++;
    if (at < script_.size()) return script_[at](waker);
    return Sleeps{};
  }
  void work() override {}
  [[nodiscard]] Value take() override { return detail::no_value<Value>(); }

 private:
  Did& did_;
  std::vector<Look> script_;
};

struct Wakes : test::ReadFixture {
  template <class Handler>
  void begin(Handler handler, std::vector<Scripted::Look> script) {
    detail::BegunRead<Value> begun{.source = &source};
    begun.running = std::make_unique<Scripted>(did, std::move(script));
    detail::RunRead<Value>{}(std::move(handler), std::move(begun));
  }
  template <class Handler>
  void run(Handler handler, std::vector<Scripted::Look> script) {
    begin(std::move(handler), std::move(script));
    poll();
  }
  // A handler that the loop runs, and that `signal` cancels.
  template <class Handler>
  auto cancelled_by_signal(Handler handler) {
    return asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(io, std::move(handler)));
  }
  void poll() {
    io.restart();
    io.poll();
  }
  // Runs what there is to run, as far as that has an end.
  std::size_t poll_a_while() {
    constexpr std::size_t kMany = 100;
    io.restart();
    std::size_t ran = 0;
    while (ran < kMany && io.poll_one() > 0) ++ran;
    REQUIRE(ran < kMany);
    return ran;
  }

  Did did;
  Told told;
  asio::io_context io;
  asio::cancellation_signal signal;
};

RunningRead::Next wakes_and_sleeps(ReadWaker& waker) {
  waker.wake();
  return RunningRead::Sleeps{};
}
RunningRead::Next sleeps(ReadWaker& /*waker*/) { return RunningRead::Sleeps{}; }
RunningRead::Next is_over(ReadWaker& /*waker*/) { return RunningRead::Over{}; }

}  // namespace

TEST_CASE("async wakes: one that comes during a look is answered by another look", "[async]") {
  Wakes f;
  SECTION("the first one") {
    f.run(asio::bind_executor(f.io, f.told.as_handler()),
          {wakes_and_sleeps, wakes_and_sleeps, is_over});
  }
  SECTION("one that a wake has led to") {
    f.run(asio::bind_executor(f.io, f.told.as_handler()), {sleeps, wakes_and_sleeps, is_over});
    f.did.waker->wake();
    f.poll();
  }
  CHECK(f.did.looks == 3);
  CHECK(f.told.times == 1);
}

TEST_CASE("async wakes: several before a look are answered by one", "[async]") {
  Wakes f;
  f.run(asio::bind_executor(f.io, f.told.as_handler()), {[](ReadWaker& waker) {
          waker.wake();
          return wakes_and_sleeps(waker);
        }});
  CHECK(f.did.looks == 2);
  f.did.waker->wake();
  f.did.waker->wake();
  f.poll();
  CHECK(f.did.looks == 3);
  CHECK(f.told.times == 0);
}

TEST_CASE("async wakes: who is cancelled has left before its caller is told", "[async]") {
  // Else what it leads, or waits for, would for a moment be nobody's who could go on with it.
  Wakes f;
  bool left = false;
  const auto handler = [&](const std::exception_ptr& error, const Value&) {
    left = f.did.gone;
    f.told.error = error;
  };
  f.run(f.cancelled_by_signal(handler), {});
  CHECK_FALSE(f.did.gone);
  f.signal.emit(asio::cancellation_type::terminal);
  f.poll();
  CHECK(f.told.aborted());
  CHECK(left);
}

TEST_CASE("async wakes: who is over has left before its caller is told", "[async]") {
  Wakes f;
  bool left = false;
  const auto handler = [&](const std::exception_ptr&, const Value&) { left = f.did.gone; };
  f.run(asio::bind_executor(f.io, handler), {wakes_and_sleeps, is_over});
  CHECK(left);
}

TEST_CASE("async wakes: who is over at the first look is told behind whoever has begun it",
          "[async]") {
  Wakes f;
  std::vector<Scripted::Look> script;
  SECTION("done") { script = {is_over}; }
  SECTION("in need of a thread that nobody has") {
    script = {[](ReadWaker&) -> RunningRead::Next { return RunningRead::Works{}; }};
  }
  SECTION("failed") {
    script = {[](ReadWaker&) -> RunningRead::Next { throw std::bad_alloc(); }};
  }
  bool begun = false;
  asio::post(f.io, [&] {
    f.begin(asio::bind_executor(f.io, f.told.as_handler()), script);
    CHECK(f.told.times == 0);
    begun = true;
  });
  f.poll();
  CHECK(begun);
  CHECK(f.did.looks == 1);
  CHECK(f.told.times == 1);
}

TEST_CASE("async wakes: who is cancelled is told behind whoever has cancelled it", "[async]") {
  Wakes f;
  f.run(f.cancelled_by_signal(f.told.as_handler()), {});
  asio::post(f.io, [&] {
    f.signal.emit(asio::cancellation_type::terminal);
    CHECK(f.told.times == 0);
  });
  f.poll();
  CHECK(f.told.aborted());
}

TEST_CASE("async wakes: a read ends once, however often it is cancelled", "[async]") {
  Wakes f;
  f.run(f.cancelled_by_signal(f.told.as_handler()), {sleeps, is_over});
  SECTION("twice before its caller is told") {
    f.signal.emit(asio::cancellation_type::partial);
    f.signal.emit(asio::cancellation_type::terminal);
    f.poll();
    CHECK(f.told.aborted());
  }
  SECTION("when it is about to be over") {
    f.did.waker->wake();
    f.signal.emit(asio::cancellation_type::terminal);
    f.poll();
    CHECK(f.told.result);
  }
  SECTION("and woken after that") {
    f.signal.emit(asio::cancellation_type::terminal);
    f.did.waker->wake();
    f.poll();
    CHECK(f.told.aborted());
    CHECK(f.did.looks == 1);
  }
  CHECK(f.told.times == 1);
}

TEST_CASE("async wakes: the slot is let go of before the caller is told, who may use it again",
          "[async]") {
  Wakes f;
  Told next;
  Did others;
  std::size_t told = 0;
  const auto handler = [&](const std::exception_ptr&, const Value&) {
    ++told;
    CHECK_FALSE(f.signal.slot().has_handler());
    detail::BegunRead<Value> begun{.source = &f.source};
    begun.running = std::make_unique<Scripted>(others, std::vector<Scripted::Look>{});
    detail::RunRead<Value>{}(f.cancelled_by_signal(next.as_handler()), std::move(begun));
  };
  f.run(f.cancelled_by_signal(handler), {sleeps, is_over});
  CHECK(f.signal.slot().has_handler());
  SECTION("over") { f.did.waker->wake(); }
  SECTION("cancelled") { f.signal.emit(asio::cancellation_type::terminal); }
  f.poll();
  CHECK(told == 1);
  CHECK(next.times == 0);
  f.signal.emit(asio::cancellation_type::terminal);
  f.poll();
  CHECK(told == 1);
  CHECK(next.aborted());
  CHECK_FALSE(f.signal.slot().has_handler());
}

TEST_CASE("async wakes: who waits sleeps, and keeps its loop neither busy nor from its end",
          "[async]") {
  Wakes f;
  std::vector<Scripted::Look> script;
  SECTION("for as long as it takes") { script = {sleeps, sleeps}; }
  SECTION("for a moment that is far") {
    const auto waits = [](ReadWaker&) -> RunningRead::Next {
      return RunningRead::Sleeps{std::chrono::steady_clock::now() + std::chrono::hours(1)};
    };
    script = {waits, waits};
  }
  f.begin(f.cancelled_by_signal(f.told.as_handler()), script);
  f.poll_a_while();
  CHECK(f.did.looks == 1);
  CHECK_FALSE(f.io.stopped());
  CHECK(f.poll_a_while() == 0);
  f.did.waker->wake();  // in vain
  f.poll_a_while();
  CHECK(f.did.looks == 2);
  CHECK(f.poll_a_while() == 0);
  CHECK(f.told.times == 0);
  f.signal.emit(asio::cancellation_type::terminal);
  f.poll_a_while();
  CHECK(f.told.aborted());
  CHECK(f.io.stopped());
}

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
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
  void run(Handler handler, std::vector<Scripted::Look> script) {
    detail::BegunRead<Value> begun{.source = &source};
    begun.running = std::make_unique<Scripted>(did, std::move(script));
    detail::RunRead<Value>{}(std::move(handler), std::move(begun));
    poll();
  }
  void poll() {
    io.restart();
    io.poll();
  }

  Did did;
  Told told;
  asio::io_context io;
};

RunningRead::Next wakes_and_sleeps(ReadWaker& waker) {
  waker.wake();
  return RunningRead::Sleeps{};
}
RunningRead::Next is_over(ReadWaker& /*waker*/) { return RunningRead::Over{}; }

}  // namespace

TEST_CASE("async wakes: one that comes during a look is answered by another look", "[async]") {
  Wakes f;
  SECTION("the first one") {
    f.run(asio::bind_executor(f.io, f.told.as_handler()),
          {wakes_and_sleeps, wakes_and_sleeps, is_over});
  }
  SECTION("one that a wake has led to") {
    f.run(asio::bind_executor(f.io, f.told.as_handler()),
          {[](ReadWaker&) -> RunningRead::Next { return RunningRead::Sleeps{}; }, wakes_and_sleeps,
           is_over});
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
  asio::cancellation_signal signal;
  bool left = false;
  const auto handler = [&](const std::exception_ptr& error, const Value&) {
    left = f.did.gone;
    f.told.error = error;
  };
  f.run(asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(f.io, handler)), {});
  CHECK_FALSE(f.did.gone);
  signal.emit(asio::cancellation_type::terminal);
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

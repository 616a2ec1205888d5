// Reads and writes that are awaited in coroutines.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <thread>

#include "querymark/asio/asio.hpp"
#include "soak/agent.hpp"

namespace querymark::test::soak {

namespace asio = boost::asio;

class EventLoop {
 public:
  ~EventLoop() {
    guard_.reset();
    context_.stop();
  }
  [[nodiscard]] asio::io_context& context() noexcept { return context_; }

 private:
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard_ =
      asio::make_work_guard(context_);
  std::jthread thread_{[this] { context_.run(); }};
};

std::shared_ptr<EventLoop> make_event_loop() { return std::make_shared<EventLoop>(); }

namespace {

// Asio wants results that can be made of nothing.
struct Seen {
  std::int64_t value = 0;
  Outcome outcome{};
};

asio::awaitable<Seen> awaited_value(Database& db, std::int64_t id) {
  const auto rows = co_await db.query(kValue, id)
                        .tag(item_tag(id))
                        .ttl(std::chrono::hours(1))
                        .async_as<std::int64_t>(asio::use_awaitable);
  co_return Seen{.value = rows[0], .outcome = rows.outcome()};
}

asio::awaitable<std::int64_t> awaited_write(Database& db, std::int64_t id) {
  std::int64_t version = 0;
  co_await async_write(
      db,
      [&](Transaction& tx) {
        version = number_of(tx, kRaiseAutomatic, id);
        return 0;
      },
      asio::use_awaitable);
  co_return version;
}

}  // namespace

Actions awaited(Agent& agent, const std::shared_ptr<EventLoop>& loop) {
  Actions actions;
  actions.push_back(
      {"awaited", 3, [&agent, loop](Lots& lots, Tally& tally) {
         const std::int64_t id = lots.below(kIds);
         const Due due = agent.judge.row(Sees::own, Table::item, id);
         const Seen seen =
             asio::co_spawn(loop->context(), awaited_value(agent.db, id), asio::use_future).get();
         agent.judge.judge(tally, due, seen.value, seen.outcome);
       }});
  actions.push_back(
      {"write, awaited", 2, [&agent, loop](Lots& lots, Tally& tally) {
         const std::int64_t id = lots.below(kIds);
         const std::int64_t version =
             asio::co_spawn(loop->context(), awaited_write(agent.db, id), asio::use_future).get();
         agent.wrote(tally, Table::auto_item, id, version);
       }});
  return actions;
}

}  // namespace querymark::test::soak

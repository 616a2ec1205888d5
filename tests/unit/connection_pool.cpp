#include "querymark/support/connection_pool.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <optional>

namespace {

using namespace querymark;
using namespace std::chrono_literals;

struct FakeConnection {
  explicit FakeConnection(int given) : number(given) {}
  FakeConnection(const FakeConnection&) = delete;
  FakeConnection& operator=(const FakeConnection&) = delete;
  ~FakeConnection() {
    if (on_close) on_close(number);
  }
  [[nodiscard]] bool usable() const {
    if (on_look) on_look();
    return good;
  }

  int number;
  bool good = true;
  std::function<void(int)> on_close;
  std::function<void()> on_look;
};

using Pool = ConnectionPool<FakeConnection>;

struct Fixture {
  explicit Fixture(std::size_t limit = 2)
      : pool({.limit = limit, .patience = 0ms, .exhausted = "all are busy"}, [this] {
          if (refuse) throw Error("the server is down");
          auto connection = std::make_unique<FakeConnection>(++opened);
          connection->on_close = [this](int number) {
            closed.push_back(number);
            if (at_close) at_close();
          };
          return connection;
        }) {}

  // True when the pool's lock is free, as whoever closes a connection must leave it.
  [[nodiscard]] bool lock_is_free() {
    auto other = std::async(std::launch::async, [this] {
      try {
        static_cast<void>(pool.acquire());
      } catch (const Timeout&) {
        return;
      }
    });
    const bool is_free = other.wait_for(5s) == std::future_status::ready;
    late.push_back(std::move(other));  // a future that is waited for in place would never end
    return is_free;
  }

  int opened = 0;
  bool refuse = false;
  std::vector<int> closed;
  std::function<void()> at_close;
  std::vector<std::future<void>> late;
  Pool pool;
};

}  // namespace

TEST_CASE("connection pool: a connection is opened when needed and used again", "[pool]") {
  Fixture f;
  CHECK(f.opened == 0);
  {
    const auto lease = f.pool.acquire();
    CHECK(lease->number == 1);
    CHECK((*lease).number == 1);
  }
  CHECK(f.pool.acquire()->number == 1);
  {
    const auto first = f.pool.acquire();
    const auto second = f.pool.acquire();
    CHECK(first->number == 1);
    CHECK(second->number == 2);
  }
  CHECK(f.pool.acquire()->number <= 2);
  CHECK(f.opened == 2);
  CHECK(f.closed.empty());
}

TEST_CASE("connection pool: nobody gets more than the limit, and the wait says why", "[pool]") {
  Fixture f(1);
  auto lease = std::make_optional(f.pool.acquire());
  CHECK_THROWS_WITH(f.pool.acquire(), "all are busy");
  CHECK_THROWS_AS(f.pool.acquire(), Timeout);
  const auto moved = std::make_optional(*std::move(lease));
  lease.reset();  // moved from: gives nothing back
  CHECK_THROWS_AS(f.pool.acquire(), Timeout);
  CHECK_THROWS_AS(Fixture(0), ConfigError);
}

TEST_CASE("connection pool: a limit that no database has is refused", "[pool]") {
  for (const std::size_t limit : {std::size_t{0}, std::size_t{10'001}, SIZE_MAX}) {
    CAPTURE(limit);
    CHECK_THROWS_AS(Pool({.limit = limit}, [] { return std::unique_ptr<FakeConnection>(); }),
                    ConfigError);
  }
}

TEST_CASE("connection pool: whoever waits is woken by a return", "[pool]") {
  std::atomic<int> opened{0};
  Pool pool({.limit = 1, .patience = 1h, .exhausted = "never"},
            [&] { return std::make_unique<FakeConnection>(++opened); });
  std::vector<std::future<int>> waiting;
  {
    const auto lease = pool.acquire();
    for (int i = 0; i < 3; ++i)
      waiting.push_back(std::async(std::launch::async, [&] { return pool.acquire()->number; }));
  }
  for (auto& one : waiting) CHECK(one.get() == 1);
  CHECK(opened == 1);
}

TEST_CASE("connection pool: an opening that fails gives its place back", "[pool]") {
  Fixture f(1);
  f.refuse = true;
  for (int i = 0; i < 3; ++i) CHECK_THROWS_WITH(f.pool.acquire(), "the server is down");
  f.refuse = false;
  CHECK(f.pool.acquire()->number == 1);
}

TEST_CASE("connection pool: what is no longer usable is closed, neither kept nor lent", "[pool]") {
  Fixture f;
  {
    const auto broken = f.pool.acquire();
    broken->good = false;
  }
  CHECK(f.closed == std::vector{1});
  FakeConnection* idle = nullptr;
  {
    const auto lease = f.pool.acquire();
    idle = &*lease;
  }
  idle->good = false;  // the server closes it while it waits
  CHECK(f.pool.acquire()->number == 3);
  CHECK(f.closed == std::vector{1, 2});
}

TEST_CASE("connection pool: after a drain nobody gets a connection from before", "[pool]") {
  Fixture f(3);
  auto lent = std::make_optional(f.pool.acquire());
  {
    const auto idle = f.pool.acquire();
    CHECK(idle->number == 2);
  }
  f.pool.drain();
  CHECK(f.closed == std::vector{2});
  {
    const auto fresh = f.pool.acquire();
    CHECK(fresh->number == 3);
  }
  lent.reset();
  CHECK(f.closed == std::vector{2, 1});
  CHECK(f.pool.acquire()->number == 3);
  f.pool.drain();
  f.pool.drain();
  CHECK(f.closed == std::vector{2, 1, 3});
}

TEST_CASE("connection pool: while a drain is closing connections, nobody is lent one of the rest",
          "[pool]") {
  bool asked = false;
  int lent = 0;
  Fixture f(3);
  {
    const auto one = f.pool.acquire();
    const auto two = f.pool.acquire();
  }
  f.at_close = [&] {
    if (!std::exchange(asked, true)) lent = f.pool.acquire()->number;
  };
  f.pool.drain();
  CHECK(lent == 3);
  CHECK(f.pool.acquire()->number == 3);
}

TEST_CASE("connection pool: one that was opened before a drain and returned after it is closed",
          "[pool]") {
  Fixture f;
  {
    const auto lease = f.pool.acquire();
    f.pool.drain();
    CHECK(f.closed.empty());
  }
  CHECK(f.closed == std::vector{1});
  CHECK(f.pool.acquire()->number == 2);
}

TEST_CASE("connection pool: connections are closed and looked at without the pool's lock",
          "[pool]") {
  std::vector<bool> free_lock;
  bool asked = false;
  Fixture f;
  FakeConnection* connection = nullptr;
  {
    const auto lease = f.pool.acquire();
    connection = &*lease;
  }
  const auto watch = [&] {
    if (!std::exchange(asked, true)) free_lock.push_back(f.lock_is_free());
  };
  SECTION("closed by a drain") {
    f.at_close = watch;
    f.pool.drain();
  }
  SECTION("closed at its return") {
    const auto lease = f.pool.acquire();
    lease->good = false;
    f.at_close = watch;
  }
  SECTION("found broken by whoever takes it") {
    connection->good = false;
    f.at_close = watch;
    static_cast<void>(f.pool.acquire());
  }
  SECTION("looked at when it is taken") {
    connection->on_look = watch;
    static_cast<void>(f.pool.acquire());
  }
  SECTION("looked at when it returns") {
    const auto lease = f.pool.acquire();
    lease->on_look = watch;
  }
  CHECK(free_lock == std::vector{true});
}

TEST_CASE("connection pool: a drain leaves the room that returns need", "[pool]") {
  Fixture f(3);
  for (int round = 0; round < 3; ++round) {
    {
      const auto one = f.pool.acquire();
      const auto two = f.pool.acquire();
      const auto three = f.pool.acquire();
    }
    CHECK(f.opened == 3 * (round + 1));
    f.pool.drain();
    CHECK(f.closed.size() == 3U * static_cast<std::size_t>(round + 1));
  }
}

namespace {

// A database that takes `most` connections, and says so by name.
struct Crowded {
  explicit Crowded(int most_connections, std::chrono::milliseconds patience = 1h)
      : most(most_connections),
        pool({.limit = 8, .patience = patience, .exhausted = "all are busy"}, [this] {
          ++asked;
          asked.notify_all();
          if (standing.fetch_add(1) >= most) {
            --standing;
            throw Error("too many connections", {.retryable = true, .connection_lost = true});
          }
          auto connection = std::make_unique<FakeConnection>(++opened);
          connection->on_close = [this](int) { --standing; };
          return connection;
        }) {}

  void await_asked(int times) const {
    for (int seen = asked; seen < times; seen = asked) asked.wait(seen);
  }

  const int most;
  std::atomic<int> asked{0}, standing{0}, opened{0};
  Pool pool;
};

}  // namespace

TEST_CASE("connection pool: who is refused a connection waits for one that stands", "[pool]") {
  Crowded crowded(1);
  auto lease = std::make_optional(crowded.pool.acquire());
  std::vector<std::future<int>> waiting;
  for (int i = 0; i < 4; ++i)
    waiting.push_back(
        std::async(std::launch::async, [&] { return crowded.pool.acquire()->number; }));
  crowded.await_asked(2);
  lease.reset();
  for (auto& one : waiting) CHECK(one.get() == 1);
  CHECK(crowded.opened == 1);
  CHECK(crowded.standing == 1);  // nothing that stood was thrown away
}

TEST_CASE("connection pool: a refusal is an error when no connection stands, or none comes back",
          "[pool]") {
  Crowded none(0);
  CHECK_THROWS_WITH(none.pool.acquire(), "too many connections");
  Crowded busy(1, 0ms);
  const auto lease = busy.pool.acquire();
  CHECK_THROWS_WITH(busy.pool.acquire(), "too many connections");
  CHECK(busy.standing == 1);
}

TEST_CASE("connection pool: when the last one that stood is lost, whoever waits for it opens anew",
          "[pool]") {
  Crowded crowded(1);
  auto lease = std::make_optional(crowded.pool.acquire());
  auto waiting = std::async(std::launch::async, [&] { return crowded.pool.acquire()->number; });
  crowded.await_asked(2);
  (*lease)->good = false;
  lease.reset();
  CHECK(waiting.get() == 2);
}

TEST_CASE("connection pool: who is refused while the last one that stood is lost opens anew",
          "[pool]") {
  std::optional<Pool::Lease> lease;
  int opened = 0;
  Pool pool({.limit = 2, .patience = 1h, .exhausted = "all are busy"}, [&] {
    if (++opened == 2) {
      (*lease)->good = false;
      lease.reset();
      throw Error("too many connections", {.retryable = true, .connection_lost = true});
    }
    return std::make_unique<FakeConnection>(opened);
  });
  lease.emplace(pool.acquire());
  CHECK(pool.acquire()->number == 3);
}

TEST_CASE("connection pool: who is refused while the first one is being opened waits for it",
          "[pool]") {
  std::atomic<int> asked{0};
  std::promise<void> refused;
  Pool pool({.limit = 2, .patience = 1h, .exhausted = "all are busy"}, [&] {
    if (asked.fetch_add(1) > 0) {
      refused.set_value();
      throw Error("too many connections", {.retryable = true, .connection_lost = true});
    }
    asked.notify_all();
    refused.get_future().wait();
    return std::make_unique<FakeConnection>(1);
  });
  auto first = std::async(std::launch::async, [&] { return pool.acquire()->number; });
  asked.wait(0);
  CHECK(pool.acquire()->number == 1);
  CHECK(first.get() == 1);
}

TEST_CASE("connection pool: what was opened and must not be used is an error at once", "[pool]") {
  bool refuse = false;
  Pool pool({.limit = 2, .patience = 1h, .exhausted = "all are busy"}, [&] {
    if (refuse) throw ConfigError("other settings than before");
    return std::make_unique<FakeConnection>(1);
  });
  const auto lease = pool.acquire();
  refuse = true;
  CHECK_THROWS_WITH(pool.acquire(), "other settings than before");
}

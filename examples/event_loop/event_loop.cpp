// A service on an event loop: one thread for its connections, a few that block for it. Lines come in
// (`get 7`, `set 7 12.5`), lines go out; a client that has set a price sees it in its next answer.

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <utility>

#include "querymark/asio/asio.hpp"
#include "querymark/sqlite/sqlite.hpp"

namespace qm = querymark;
namespace asio = boost::asio;
using asio::use_awaitable;
using asio::ip::tcp;
using namespace std::chrono_literals;

namespace {

struct Product {
  std::int64_t id;
  std::string name;
  double price;
};

// [prepared]
class Shop {
 public:
  explicit Shop(qm::sqlite::Database& db)
      : db_(db),
        by_id_(db.prepare<Product>("select id, name, price from product where id = ?")
                   .tag([](std::int64_t id) { return qm::entity("product", id); })) {}
  // [/prepared]

  // [read]
  asio::awaitable<std::string> price_of(std::int64_t id, qm::UserSession& user) {
    // A hit goes on at once; else this coroutine waits, and the thread serves others.
    const qm::Rows<Product> found = co_await by_id_.reading(user).async(id, use_awaitable);
    if (found.empty()) co_return "no such product";
    co_return fmt::format("{} costs {:.2f}", found[0].name, found[0].price);
  }
  // [/read]

  // [write]
  asio::awaitable<std::string> set_price(std::int64_t id, double price, qm::UserSession& user) {
    const qm::Written<std::int64_t> written = co_await qm::async_write(
        db_,
        [id, price](qm::Transaction& tx) {
          tx.invalidate(qm::entity("product", id));
          return tx.execute("update product set price = ? where id = ?", price, id);
        },
        use_awaitable);
    user.remember(written.receipt);
    co_return written.value == 1 ? "done" : "no such product";
  }
  // [/write]

  [[nodiscard]] qm::UserSession new_user() { return db_.user_session(""); }

 private:
  qm::sqlite::Database& db_;
  qm::PreparedQuery<Product, std::int64_t> by_id_;
};

asio::awaitable<std::string> answer(Shop& shop, const std::string& line, qm::UserSession& user) {
  std::istringstream words(line);
  std::string verb;
  std::int64_t id = 0;
  double price = 0;
  words >> verb >> id;
  if (verb == "get" && words) co_return co_await shop.price_of(id, user);
  if (verb == "set" && words >> price) co_return co_await shop.set_price(id, price, user);
  co_return "say: get ID, or: set ID PRICE";
}

// [session]
asio::awaitable<void> serve(tcp::socket socket, Shop& shop) {
  qm::UserSession user = shop.new_user();  // what this client has written, it reads
  std::string received;
  for (;;) {
    const auto [error, size] = co_await asio::async_read_until(
        socket, asio::dynamic_buffer(received, 1024), '\n', asio::as_tuple(use_awaitable));
    if (error) co_return;  // it has gone
    std::string said;
    try {
      said = co_await answer(shop, received.substr(0, size), user);
    } catch (const qm::Error& failure) {
      said = failure.retryable() ? "try again" : failure.what();
    }
    received.erase(0, size);
    said += '\n';
    co_await asio::async_write(socket, asio::buffer(said), use_awaitable);
  }
}
// [/session]

asio::awaitable<void> accept(tcp::acceptor& acceptor, Shop& shop) {
  for (;;) {
    auto [error, socket] = co_await acceptor.async_accept(asio::as_tuple(use_awaitable));
    if (error) co_return;
    asio::co_spawn(acceptor.get_executor(), serve(std::move(socket), shop), asio::detached);
  }
}

// What a client would do. Returns whether it was told what it had to be.
asio::awaitable<bool> visit(tcp::endpoint where, int number) {
  tcp::socket socket(co_await asio::this_coro::executor);
  co_await socket.async_connect(where, use_awaitable);
  std::string received;
  const auto ask = [&](std::string line) -> asio::awaitable<std::string> {
    line += '\n';
    co_await asio::async_write(socket, asio::buffer(line), use_awaitable);
    const std::size_t size = co_await asio::async_read_until(socket, asio::dynamic_buffer(received),
                                                             '\n', use_awaitable);
    std::string said = received.substr(0, size - 1);
    received.erase(0, size);
    co_return said;
  };
  bool right = co_await ask("get 7") == "teapot costs 9.50";
  right = co_await ask(fmt::format("set {} {}", 100 + number, number)) == "done" && right;
  const std::string mine = co_await ask(fmt::format("get {}", 100 + number));
  right = mine == fmt::format("mug costs {:.2f}", static_cast<double>(number)) && right;
  right = co_await ask("steal 7") == "say: get ID, or: set ID PRICE" && right;
  co_return right;
}

bool run(const std::string& path) {
  qm::sqlite::migrate(path);
  // [executor]
  auto offload = std::make_shared<qm::Offload>(qm::OffloadOptions{.threads = 4, .queue = 1000});
  qm::Cache cache{{.name = "shop", .memory_bytes = 64 << 20, .offload = offload}};
  // [/executor]
  qm::sqlite::Database db{path, cache, {.max_lag = 5s}};
  constexpr int kClients = 20;
  db.write([](auto& tx) {
    tx.execute("create table product (id integer primary key, name text, price real) strict");
    tx.execute("insert into product values (7, 'teapot', 9.5)");
    for (int i = 0; i < kClients; ++i)
      tx.execute("insert into product values (?, 'mug', -1)", 100 + i);
    tx.invalidate(qm::collection("product"));
  });
  Shop shop(db);
  asio::io_context io;
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  asio::co_spawn(io, accept(acceptor, shop), asio::detached);
  int right = 0;
  int gone = 0;
  for (int i = 0; i < kClients; ++i)
    asio::co_spawn(io, visit(acceptor.local_endpoint(), i),
                   [&](const std::exception_ptr& failure, bool was_right) {
                     if (!failure && was_right) ++right;
                     if (++gone == kClients) acceptor.close();
                   });
  io.run();
  const qm::CacheStats stats = cache.stats();
  fmt::print("{} of {} clients were told what is right; {} loads, {} shared, {} hits\n", right,
             kClients, stats.misses, stats.joined, stats.hits);
  return right == kClients;
}

}  // namespace

int main() {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() /
      fmt::format("querymark-event-loop-{:x}", std::random_device{}());
  std::filesystem::create_directories(folder);
  bool right = false;
  try {
    right = run((folder / "shop.db").string());
  } catch (const std::exception& failure) {
    fmt::print(stderr, "event_loop: {}\n", failure.what());
  }
  std::filesystem::remove_all(folder);
  return right ? EXIT_SUCCESS : EXIT_FAILURE;
}

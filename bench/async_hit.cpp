#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>

#include "querymark/asio/asio.hpp"
#include "rounds.hpp"
#include "sqlite_item.hpp"

// The same hits as calls and awaited by one coroutine, in turns: what an event loop adds to each.

namespace querymark::bench {
namespace {

namespace asio = boost::asio;

constexpr std::uint32_t kItems = 10'000;
constexpr std::size_t kBatch = 200'000;

// One row by its number: a parameter that is not copied anywhere.
class ByNumber final : public Subject {
 public:
  enum class Calls : std::uint8_t { direct, awaited };
  ByNumber(const ItemFile& file, Calls calls)
      : database_(file.path(), cache_, item_options()),
        query_(database_.prepare<Item>("select id, price, stock, category from item where id = ?")
                   .tag([](std::int64_t id) { return entity("item", id); })
                   .ttl(std::chrono::hours(1))),
        calls_(calls) {}

  void fill(const Request& request) override { use(query_(number_of(request)).front().id); }
  std::uint64_t serve(std::span<const Request> requests, bool /*load*/) override {
    missed_ = 0;
    sum_ = 0;
    if (calls_ == Calls::direct) {
      for (const Request& request : requests) take(query_(number_of(request)));
    } else {
      asio::io_context loop(1);
      asio::co_spawn(loop, all(requests), asio::detached);
      loop.run();
    }
    use(sum_);
    return missed_;
  }

 private:
  static std::int64_t number_of(const Request& request) { return item_of(request.number).id; }
  void take(const Rows<Item>& rows) {
    sum_ += rows->id;
    if (!rows.outcome().is_hit()) ++missed_;
  }
  asio::awaitable<void> all(std::span<const Request> requests) {
    for (const Request& request : requests)
      take(co_await query_.async(number_of(request), asio::use_awaitable));
  }

  Cache cache_{{.memory_bytes = 64U << 20U}};
  sqlite::Database database_;
  PreparedQuery<Item, std::int64_t> query_;
  Calls calls_;
  std::uint64_t missed_ = 0;
  std::int64_t sum_ = 0;
};

}  // namespace

void bench_async_hit(const Options& options, Report& report) {
  const ItemFile file(kItems);
  ByNumber direct(file, ByNumber::Calls::direct);
  ByNumber awaited(file, ByNumber::Calls::awaited);
  for (std::uint32_t number = 0; number < kItems; ++number)
    for (Subject* const subject : {static_cast<Subject*>(&direct), static_cast<Subject*>(&awaited)})
      subject->fill({key_of(number), number});
  const std::vector<std::vector<Request>> batches{zipf_requests(kBatch, kItems, 1)};
  Figure called{.bench = "async_hit", .subject = "querymark_call", .threads = 1, .unit = "ns"};
  Figure added{.bench = "async_hit", .subject = "querymark_awaited", .threads = 1, .unit = "ns"};
  for (std::size_t run = 0; run <= options.runs; ++run) {
    std::uint64_t missed = 0;
    const double plain = time_threads(direct, batches, 1, false, &missed);
    const double coroutine = time_threads(awaited, batches, 1, false, &missed);
    if (missed > 0) throw std::runtime_error("async_hit: not every request was a hit");
    if (run == 0) continue;  // the first warms up
    called.runs.push_back(plain);
    added.runs.push_back(coroutine);
  }
  report.add(std::move(called));
  report.add(std::move(added));
}

}  // namespace querymark::bench

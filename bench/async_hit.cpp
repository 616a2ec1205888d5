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
  measure_hits_in_turns(options, report, "async_hit",
                        {{"querymark_call", &direct}, {"querymark_awaited", &awaited}}, kItems,
                        kBatch);
}

}  // namespace querymark::bench

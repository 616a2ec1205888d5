#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>

#include "herd.hpp"
#include "querymark/asio/asio.hpp"

// The herd as coroutines of one thread.

namespace querymark::bench {
namespace {

namespace asio = boost::asio;

asio::awaitable<void> ask(const PreparedQuery<Related, std::int64_t>& query, std::int64_t key) {
  const Rows<Related> rows = co_await query.async(key, asio::use_awaitable);
  use(rows.front().count);
}

double ask_all(asio::io_context& loop, const PreparedQuery<Related, std::int64_t>& query,
               std::int64_t key) {
  loop.restart();
  std::exception_ptr failure;
  const double ns = elapsed_ns([&] {
    for (std::size_t i = 0; i < kHerd; ++i)
      asio::co_spawn(loop, ask(query, key), [&](const std::exception_ptr& error) {
        if (error) failure = error;
      });
    loop.run();
  });
  if (failure) std::rethrow_exception(failure);
  return ns;
}

void measure(const Options& options, Report& report, const ItemFile& file,
             const std::string& subject, std::size_t permits) {
  if (!options.wants(subject)) return;
  asio::io_context loop(1);  // outlives the threads that load, which still hold on to it at the end
  ColdKeys cold(file, permits);
  measure_herd(options, report, subject, cold, kHerd,
               [&](std::int64_t key) { return ask_all(loop, cold.query(), key); });
}

}  // namespace

void herd_async(const Options& options, Report& report, const ItemFile& file) {
  measure(options, report, file, "async", 1);
  measure(options, report, file, "async_4_at_once", 4);
}

}  // namespace querymark::bench

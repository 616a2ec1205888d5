#ifdef QUERYMARK_BENCH_POSTGRES
#include <barrier>
#include <memory>
#include <optional>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/prepared_statement>
#include <pqxx/result>
#include <thread>
#include <vector>

#include "postgres_item.hpp"
#endif
#include "readings.hpp"
#include "sqlite_item.hpp"

// A strong read that memory can answer, beside what it competes with: the row by its primary key,
// by a prepared statement through libpqxx, each thread over a connection of its own. One thread:
// client and server share a core, or the wake-up of an idle one would be most of the time. Sixteen:
// both cores are anybody's. Microseconds of one read as its thread sees it; `per_second` is of all
// threads.

namespace querymark::bench {

#ifdef QUERYMARK_BENCH_POSTGRES
namespace {

constexpr std::uint32_t kReadsInAll = 16'000;

// `reader()` makes what a thread reads with, before the clock runs.
template <class MakeReader>
double time_readers(std::size_t threads, const MakeReader& reader) {
  const auto each = static_cast<std::uint32_t>(kReadsInAll / threads);
  std::barrier ready(static_cast<std::ptrdiff_t>(threads) + 1);
  std::vector<std::jthread> all;
  for (std::size_t t = 0; t < threads; ++t)
    all.emplace_back([&, t] {
      auto read = reader();
      std::int64_t sum = 0;
      for (std::uint32_t i = 0; i < 50; ++i) sum += read(i);
      ready.arrive_and_wait();
      for (std::uint32_t i = 0; i < each; ++i)
        sum += read((static_cast<std::uint32_t>(t) * 7919 + i) % kReadItems);
      use(sum);
      ready.arrive_and_wait();
    });
  ready.arrive_and_wait();
  return elapsed_ns([&] { ready.arrive_and_wait(); }) / 1000 / each;
}

struct PlainReader {
  explicit PlainReader(const std::string& url)
      : connection(std::make_unique<pqxx::connection>(url)),
        plain(std::make_unique<pqxx::nontransaction>(*connection)) {
    connection->prepare("by_key", std::string(kReadByKey));
  }
  std::int64_t operator()(std::uint32_t i) const {
    return plain->exec_prepared("by_key", std::string(key_of(i).view()))[0][0].as<std::int64_t>();
  }
  std::unique_ptr<pqxx::connection> connection;
  std::unique_ptr<pqxx::nontransaction> plain;
};

}  // namespace
#endif

void bench_strong(const Options& options, Report& report) {
#ifdef QUERYMARK_BENCH_POSTGRES
  if (!postgres_wanted(options, report, "strong", "querymark_strong", "postgres_pk")) return;
  const ItemDatabase server(kReadItems);
  for (const std::size_t threads : {std::size_t{1}, std::size_t{16}}) {
    std::optional<Pinned> pinned;
    if (threads == 1) pinned.emplace(Pinned::Server::same_core);
    Cache cache;
    postgres::Database database(server.url(), cache, postgres_item_options());
    const auto query = database.prepare<Item>(std::string(kReadByKey))
                           .tag(ItemTag{})
                           .tag(AllItemsTag{})
                           .ttl(std::chrono::hours(1));
    for (std::uint32_t i = 0; i < kReadItems; ++i) use(query(key_of(i).view()).front().id);
    const auto strong = query.strong();
    const auto measure = [&](const char* subject, const auto& reader) {
      if (!options.wants(subject)) return;
      Figure figure{.bench = "strong", .subject = subject, .threads = threads, .unit = "us"};
      const std::uint64_t before = database.source().subscriber()->polls();
      for (std::size_t run = 0; run <= options.runs; ++run) {
        const double us = time_readers(threads, reader);
        if (run > 0) figure.runs.push_back(us);
      }
      const auto looks = static_cast<double>(database.source().subscriber()->polls() - before);
      figure.more["looks_per_read"] =
          looks / (kReadsInAll * (static_cast<double>(options.runs) + 1.0));
      figure.more["per_second"] = static_cast<double>(threads) * 1e6 / figure.median();
      report.add(std::move(figure));
    };
    measure("querymark_strong", [&] {
      return [&strong](std::uint32_t i) { return strong(key_of(i).view()).front().id; };
    });
    measure("postgres_pk", [&] { return PlainReader(server.url()); });
  }
#else
  for (const char* subject : {"querymark_strong", "postgres_pk"})
    if (options.wants(subject)) report.absent("strong", subject, "libpqxx-dev");
#endif
}

}  // namespace querymark::bench

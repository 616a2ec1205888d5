#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <stdexcept>

#include "querymark/querymark.hpp"
#include "rounds.hpp"
#include "sqlite_item.hpp"

// Resident memory per entry beyond its payload (key bytes and the 32 bytes of the item), with a
// million entries. Each subject has a process of its own, so that none inherits another's heap.

namespace querymark::bench {
namespace {

constexpr std::uint32_t kEntries = 1'000'000;
constexpr std::size_t kItemBytes = sizeof(Item);

double resident_bytes() {
  malloc_trim(0);
  std::ifstream statm("/proc/self/statm");
  double all = 0;
  double resident = 0;
  statm >> all >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// Answers every load with one row.
class OneRow final : public Loader {
 public:
  LoadedRows load(std::string_view /*sql*/, std::span<const ParameterView> /*values*/) override {
    ResultSetBuilder rows;
    for (const char* name : {"id", "price", "stock", "category"}) rows.add_column(name);
    for (const int value : {1, 2, 3, 4}) rows.add(as_parameter(value));
    return {std::move(rows).build(), std::nullopt, Stored::yes};
  }
};

// What `fill` added to this process's memory, per entry, over the payload.
double overhead(std::size_t payload,
                const std::function<void(std::uint32_t, std::uint32_t)>& fill) {
  fill(0, 1000);  // what is made at first use
  const double before = resident_bytes();
  fill(1000, kEntries + 1000);
  return (resident_bytes() - before) / kEntries - static_cast<double>(payload);
}

// Runs `measure` in a child process.
double in_child(const std::function<double()>& measure) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("no pipe");
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("no process");
  if (child == 0) {
    const double value = measure();
    const bool told = write(ends[1], &value, sizeof(value)) == sizeof(value);
    _exit(told ? 0 : 1);
  }
  close(ends[1]);
  double value = 0;
  const bool heard = read(ends[0], &value, sizeof(value)) == sizeof(value);
  close(ends[0]);
  waitpid(child, nullptr, 0);
  if (!heard) throw std::runtime_error("the measuring process died");
  return value;
}

double querymark_by_key() {
  Cache cache({.memory_bytes = 1U << 30U});
  Source source(cache, {});
  source.marks().trust_until(MonotonicTime::max());
  OneRow loader;
  const auto query =
      Prepared<Item, detail::AutoMapper<Item>>(
          source, loader, "select id, price, stock, category from item where key = ?", {})
          .tag(ItemTag{})
          .tag(AllItemsTag{})
          .ttl(std::chrono::hours(1));
  return overhead(sizeof(Key) + kItemBytes, [&](std::uint32_t from, std::uint32_t to) {
    for (std::uint32_t i = from; i < to; ++i) (void)query(key_of(i).view());
  });
}

double querymark_by_query() {
  Cache cache({.memory_bytes = 1U << 30U});
  Source source(cache, {});
  source.marks().trust_until(MonotonicTime::max());
  OneRow loader;
  std::string sql = "select id, price, stock, category from item where id = ?";
  sql += " -- " + std::string(200 - sql.size() - 4, 'x');
  const auto query = Prepared<Item, detail::AutoMapper<Item>>(source, loader, sql, {})
                         .tag([](std::uint32_t id) { return entity("item", id); })
                         .tag([](std::uint32_t) { return collection("item"); })
                         .ttl(std::chrono::hours(1));
  return overhead(sizeof(std::int64_t) + kItemBytes, [&](std::uint32_t from, std::uint32_t to) {
    for (std::uint32_t i = from; i < to; ++i) (void)query(i);
  });
}

double peer_overhead(const PeerFactory& peer) {
  const std::unique_ptr<Subject> subject = peer.make(kEntries * 2);
  return overhead(sizeof(Key) + kItemBytes, [&](std::uint32_t from, std::uint32_t to) {
    for (std::uint32_t i = from; i < to; ++i) subject->fill({key_of(i), i});
  });
}

}  // namespace

void bench_memory(const Options& options, Report& report) {
  const auto measure = [&](std::string_view name, const std::function<double()>& work) {
    if (!options.wants(name)) return;
    Figure figure{.bench = "memory", .subject = std::string(name), .unit = "bytes"};
    for (std::size_t run = 0; run < std::min<std::size_t>(options.runs, 3); ++run)
      figure.runs.push_back(in_child(work));
    report.add(std::move(figure));
  };
  measure("querymark", querymark_by_key);
  measure("querymark_query", querymark_by_query);
  for (const PeerFactory& peer : {rocksdb_lru(), mutex_lru()}) {
    if (!peer.make)
      report.absent("memory", peer.name, peer.package);
    else
      measure(peer.name, [&peer] { return peer_overhead(peer); });
  }
}

}  // namespace querymark::bench

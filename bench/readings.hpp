#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "rounds.hpp"

namespace querymark::bench {

class ItemFile;

/// The figures of `read`: microseconds for one read.
class Readings {
 public:
  Readings(const Options& options, Report& report) : options_(options), report_(report) {}

  /// `work()` does `count` reads on each of the threads and returns the nanoseconds that they took.
  /// Its first run warms up.
  template <class Work>
  void add(std::string_view subject, std::uint32_t count, Work&& work, std::size_t threads = 1) {
    if (!options_.wants(subject)) return;
    Figure figure{
        .bench = "read", .subject = std::string(subject), .threads = threads, .unit = "us"};
    for (std::size_t run = 0; run <= options_.runs; ++run) {
      const double us = work() / 1000 / count;
      if (run > 0) figure.runs.push_back(us);
    }
    report_.add(std::move(figure));
  }

 private:
  const Options& options_;
  Report& report_;
};

/// The SQL of the peers, the same for both databases.
inline constexpr std::string_view kReadByKey =
    "select id, price, stock, category from item where key = $1";
inline constexpr std::string_view kReadJoin =
    "select c.category, count(*), sum(a.price + b.stock) from (select distinct category from item "
    "where category < $1) c join item a on a.category = c.category join item b on b.id = a.id + 1 "
    "group by c.category";
inline constexpr std::uint32_t kReadItems = 20'000;
inline constexpr std::uint32_t kReads = 5000;
inline constexpr std::uint32_t kJoins = 5;

/// The subjects on PostgreSQL.
void read_postgres(const Options& options, Report& report, Readings& readings);
/// The subjects on Redis.
void read_redis(const Options& options, const ItemFile& file, Readings& readings);
/// The subjects on memcached.
void read_memcached(const Options& options, const ItemFile& file, Readings& readings);

}  // namespace querymark::bench

#pragma once

#include <chrono>
#include <deque>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "rounds.hpp"
#include "sqlite_item.hpp"

namespace querymark::bench {

/// The calls of `fetch_many`: so many, of so many keys each, and none twice. One more comes before
/// them, and is not measured: it connects and prepares.
inline constexpr std::uint32_t kManyKeys = 100;
inline constexpr std::uint32_t kManyCalls = 50;

using ManyKeys = std::vector<std::string_view>;

/// The keys of each call, the first not to be measured.
[[nodiscard]] const std::vector<ManyKeys>& many_calls();

/// Nanoseconds of all calls but the first.
template <class Call>
[[nodiscard]] double time_calls(Call&& call) {
  const std::vector<ManyKeys>& calls = many_calls();
  call(calls.front());
  return elapsed_ns([&] {
    for (std::size_t i = 1; i < calls.size(); ++i) call(calls[i]);
  });
}

/// The same calls through `fetch_many` of a database that is new and whose cache is empty. Throws
/// when a row does not come from `origin`.
template <class Database>
[[nodiscard]] double time_fetch_many(Database& database, const char* sql, Origin origin) {
  const auto query = database.template prepare_many<Item>(sql)
                         .tag(ItemTag{})
                         .tag(AllItemsTag{})
                         .ttl(std::chrono::hours(1));
  std::int64_t sum = 0;
  std::size_t from_elsewhere = 0;
  const double ns = time_calls([&](const ManyKeys& keys) {
    for (const Rows<Item>& rows : query.fetch_many(keys)) {
      sum += rows->id;
      if (rows.outcome().origin != origin) ++from_elsewhere;
    }
  });
  use(sum);
  if (from_elsewhere > 0) throw std::runtime_error("fetch_many: rows came from elsewhere");
  return ns;
}

inline constexpr const char* kManyOnSqlite =
    "select k.key, i.id, i.price, i.stock, i.category from json_each(?) as k "
    "join item i on i.key = k.value";
inline constexpr const char* kManyOnPostgres =
    "select k.ordinality, i.id, i.price, i.stock, i.category from unnest($1::text[]) with "
    "ordinality "
    "as k(key) join item i on i.key = k.key";

/// The subjects on PostgreSQL.
void fetch_many_postgres(const Options& options, Report& report);
/// The subjects on Redis.
void fetch_many_redis(const Options& options, const ItemFile& file, Report& report);

}  // namespace querymark::bench

#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "querymark/querymark.hpp"
#include "querymark/sqlite/sqlite.hpp"
#include "subject.hpp"
#include "support/temp_dir.hpp"

namespace querymark::bench {

/// A SQLite file with a table of items by their keys, migrated for querymark.
class ItemFile {
 public:
  explicit ItemFile(std::uint32_t items);
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return scratch_.file(name); }

 private:
  test::TempDir scratch_;
  std::string path_;
};

struct ItemTag {
  Target operator()(std::string_view key) const { return entity("item", key); }
};
struct AllItemsTag {
  Target operator()(std::string_view /*key*/) const { return collection("item"); }
};

/// The query of all benchmarks: one item by its 32-byte key, with two tags and a TTL.
[[nodiscard]] inline auto prepare_item(sqlite::Database& database) {
  return database.prepare<Item>("select id, price, stock, category from item where key = ?")
      .tag(ItemTag{})
      .tag(AllItemsTag{})
      .ttl(std::chrono::hours(1));
}

[[nodiscard]] sqlite::Options item_options();

/// Hits through the public call, a subscriber running; with `writes_per_second` commits that
/// invalidate something else while a measurement runs.
class QuerymarkSubject final : public Subject {
 public:
  /// How the requests are made: one call each, or many at once.
  enum class Calls : std::uint8_t { single, many };
  QuerymarkSubject(const ItemFile& file, std::size_t memory_bytes, unsigned writes_per_second,
                   Calls calls = Calls::single);
  void fill(const Request& request) override;
  std::uint64_t serve(std::span<const Request> requests, bool load) override;
  void begin() override;
  void end() override;

 private:
  Cache cache_;
  sqlite::Database database_;
  decltype(prepare_item(std::declval<sqlite::Database&>())) query_;
  unsigned writes_per_second_;
  Calls calls_;
  std::jthread writer_;
};

}  // namespace querymark::bench

#pragma once

#include <memory>
#include <string>

#include "querymark/sqlite/sqlite.hpp"
#include "support/temp_dir.hpp"

namespace querymark::test {

/// A small shop in a SQLite file with the querymark schema, for tests.
class Shop {
 public:
  Shop();

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return dir_.file(name); }
  /// Runs SQL through a plain connection, as a program without querymark would.
  void execute(const std::string& sql) const;
  /// Empties the log, its newest row included: ids are handed out from the first again.
  void lose_log() const;
  /// Puts back the price of product 1, empties the log, and hands out its first ids again to another
  /// write, as a restore that nobody watches does.
  void rewind() const;
  [[nodiscard]] std::int64_t number(const std::string& sql) const;
  [[nodiscard]] std::string text(const std::string& sql) const;

 private:
  TempDir dir_;
  std::string path_;
};

/// A process as far as caching goes: a cache and a database of its own.
struct Process {
  explicit Process(const Shop& shop, sqlite::Options options = quick());
  /// Polls only when told or rung: tests decide what a process knows.
  static sqlite::Options quick();

  /// Price of a product, through the cache.
  [[nodiscard]] Rows<double> price(std::int64_t id);
  /// Sets a price, with its intent.
  Receipt set_price(std::int64_t id, double price);

  Cache cache{{.memory_bytes = 64U << 20U}};
  sqlite::Database db;
};

}  // namespace querymark::test

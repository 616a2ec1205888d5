#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "statement.hpp"

namespace querymark::sqlite {

/// The statements of one connection that were used last, prepared. Not thread-safe; goes before its
/// connection does.
class StatementCache {
 public:
  /// The statement of `sql`, made by `prepare()` when it is not here; valid until many others have
  /// been asked for. Throws what `prepare` throws.
  template <class Prepare>
  [[nodiscard]] PreparedStatement& get(std::string_view sql, Prepare&& prepare) {
    if (const auto found = by_sql_.find(sql); found != by_sql_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second);
      return recent_.front().prepared;
    }
    recent_.push_front({std::string(sql), prepare()});
    by_sql_.emplace(recent_.front().sql, recent_.begin());
    if (recent_.size() > kMost) {
      by_sql_.erase(recent_.back().sql);
      recent_.pop_back();
    }
    return recent_.front().prepared;
  }

 private:
  struct Kept {
    std::string sql;
    PreparedStatement prepared;
  };
  static constexpr std::size_t kMost = 128;
  std::list<Kept> recent_;  // most recently used first
  std::unordered_map<std::string_view, std::list<Kept>::iterator> by_sql_;
};

}  // namespace querymark::sqlite

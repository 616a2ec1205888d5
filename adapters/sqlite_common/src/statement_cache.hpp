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
  /// The statement of `sql`, made by `prepare()` when it is not here; valid until two others have
  /// been asked for. Throws what `prepare` throws.
  template <class Prepare>
  [[nodiscard]] PreparedStatement& get(std::string_view sql, Prepare&& prepare) {
    if (const auto found = by_sql_.find(sql); found != by_sql_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second);
      return recent_.front().prepared;
    }
    recent_.push_front({std::string(sql), prepare()});
    by_sql_.emplace(recent_.front().sql, recent_.begin());
    text_bytes_ += sql.size();
    while (recent_.size() > kMost || (text_bytes_ > kMostText && recent_.size() > kLeast)) {
      text_bytes_ -= recent_.back().sql.size();
      by_sql_.erase(recent_.back().sql);
      recent_.pop_back();
    }
    return recent_.front().prepared;
  }
  [[nodiscard]] std::size_t size() const noexcept { return recent_.size(); }

 private:
  struct Kept {
    std::string sql;
    PreparedStatement prepared;
  };
  static constexpr std::size_t kMost = 128;
  // Lists of thousands of literals are seldom asked for twice, and memory's bound knows nothing of
  // them.
  static constexpr std::size_t kMostText = std::size_t{256} << 10;
  static constexpr std::size_t kLeast = 2;  // whoever holds one may ask for another
  std::size_t text_bytes_ = 0;
  std::list<Kept> recent_;  // most recently used first
  std::unordered_map<std::string_view, std::list<Kept>::iterator> by_sql_;
};

}  // namespace querymark::sqlite

#pragma once  // For users.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "querymark/key/parameters.hpp"
#include "querymark/result/result_set.hpp"
#include "querymark/support/life.hpp"
#include "querymark/support/sql_text.hpp"

namespace querymark {

namespace detail {
class TransactionLoader;
}
class WriteSession;

/// Whose transaction one is, and whether the cache may serve reads inside it.
struct TransactionOrigin {
  const void* source = nullptr;  ///< The database's; null: it is nobody's that caches.
  std::string session{};         ///< Of a session apart, its part of each key; else empty.
  /// Each statement of it sees what was committed before that statement (READ COMMITTED), as a hit
  /// does. Otherwise its reads belong together, and a hit is from another moment than they are.
  bool newest = false;
};

/// A transaction in which is read: what `read_transaction` gives to its function, and the reading half of
/// a write. `query` asks the database; queries of the cache are read inside it by `.in(tx)`. Not
/// thread-safe; valid until the function returns.
class ReadTransaction {
 public:
  ReadTransaction(const ReadTransaction&) = delete;
  ReadTransaction& operator=(const ReadTransaction&) = delete;

  /// Reads inside the transaction, past the cache. Blocks. Throws Error.
  template <HasParameterTraits... Args>
  [[nodiscard]] ResultSet query(std::string_view sql, const Args&... args) {
    require_no_nul(sql);
    const detail::CallParameters<Args...> values(args...);
    note_query(sql);
    return query_values(sql, values.views());
  }

 protected:
  ReadTransaction() = default;
  virtual ~ReadTransaction() = default;

  /// Where it begins, which is before any of its statements.
  void begins(TransactionOrigin origin) {
    origin_ = std::move(origin);
    changed_ = false;
    life_.reset();
  }
  /// It may have changed something, or says that it will: from now on it reads for itself.
  void note_change() noexcept { changed_ = true; }
  /// Throws when the transaction is over.
  virtual void require_usable() const {}
  virtual ResultSet query_values(std::string_view sql, std::span<const ParameterView> values) = 0;
  /// The same for a query of the cache. Throws ConfigError for what does not only read, as elsewhere.
  virtual ResultSet read_values(std::string_view sql, std::span<const ParameterView> values) {
    return query_values(sql, values);
  }
  /// Whether this text only reads, as far as a text tells. Asked where that matters.
  [[nodiscard]] virtual bool only_reads(std::string_view sql) const {
    static_cast<void>(sql);
    return false;
  }

 private:
  friend class detail::TransactionLoader;
  friend class WriteSession;

  void note_query(std::string_view sql) {
    if (origin_.newest && !changed_ && !only_reads(sql)) changed_ = true;
  }

  TransactionOrigin origin_;
  bool changed_ = false;
  std::optional<Life> life_{};  // once a query is read in it, which may be kept for longer
};

}  // namespace querymark

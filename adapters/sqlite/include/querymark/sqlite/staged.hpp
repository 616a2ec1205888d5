#pragma once

#include <memory>
#include <vector>

#include "querymark/log/receipt.hpp"
#include "querymark/mark/marks.hpp"

namespace SQLite {
class Database;
}

namespace querymark::sqlite {

class Database;

/// Intents that are in a caller's own transaction, which has yet to commit. Say `committed()` after
/// the commit and `rolled_back()` after a rollback; a Staged that dies without either counts as in
/// doubt, and its intents are applied locally in case the commit has happened.
///
/// Move-only, not thread-safe. Must not outlive the database or the connection it was staged on.
class [[nodiscard]] Staged {
 public:
  Staged(Staged&&) noexcept = default;
  Staged& operator=(Staged&&) = delete;
  ~Staged();

  /// Applies the intents to this process's marks and returns the receipt. Looks into the log first:
  /// throws Error when the transaction is still open or its rows are not there (it was rolled
  /// back).
  Receipt committed();
  /// Forgets the intents.
  void rolled_back() noexcept { pending_.reset(); }

 private:
  friend class Database;
  struct Pending {
    Database* database;
    SQLite::Database* connection;
    Receipt receipt;
    std::vector<MarkUpdate> updates;
  };
  explicit Staged(Pending pending) : pending_(std::make_unique<Pending>(std::move(pending))) {}
  std::unique_ptr<Pending> pending_;
};

}  // namespace querymark::sqlite

#pragma once  // For users.

#include <functional>
#include <memory>

#include "querymark/write/own_writes.hpp"

namespace querymark {

/// Intents that are in a caller's own transaction, which has yet to commit. Say `committed()` after
/// the commit and `rolled_back()` after a rollback; a Staged that dies without either counts as in
/// doubt, and its intents are applied locally in case the commit has happened.
///
/// Move-only, not thread-safe. Must not outlive the database; the SQLite adapter also asks the
/// connection it was staged on.
class [[nodiscard]] Staged {
 public:
  /// Looks for the write in the log; throws Error when it is not there.
  using Confirm = std::function<void(const Receipt&)>;

  /// Made by a database's `stage`.
  Staged(OwnWrites& writes, PendingWrite write, Confirm confirm);
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
  struct Pending {
    OwnWrites& writes;
    PendingWrite write;
    Confirm confirm;
  };
  std::unique_ptr<Pending> pending_;
};

}  // namespace querymark

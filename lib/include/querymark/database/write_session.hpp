#pragma once  // For writers of ports.

#include <string>

#include "querymark/database/core.hpp"
#include "querymark/log/intent.hpp"
#include "querymark/log/receipt.hpp"
#include "querymark/write/transaction.hpp"

namespace querymark {

/// One write of one database, from BEGIN to COMMIT: what is the same everywhere. An adapter adds
/// its transaction. Its destructor rolls back unless the write is committed. For one thread.
class WriteSession {
 public:
  WriteSession(const WriteSession&) = delete;
  WriteSession& operator=(const WriteSession&) = delete;
  virtual ~WriteSession() = default;

  [[nodiscard]] virtual Transaction& transaction() noexcept = 0;
  /// Puts the intents beside the data and commits both; then the marks move, the connection goes
  /// back, and the log is looked at. Called at most once. Throws Error, and then nothing is
  /// committed; CommitInDoubt when nobody can tell.
  [[nodiscard]] Receipt commit();

 protected:
  /// The core must outlive it.
  explicit WriteSession(DatabaseCore& core) noexcept : core_(core) {}

  /// The transaction has begun, under checked settings; `newest`: see TransactionOrigin.
  void begun(ReadTransaction& transaction, const SessionSettings& settings, bool newest) {
    transaction.begins(core_.origin(settings, newest));
  }

  /// Throws, with what is to blame, unless the transaction can be committed.
  virtual void require_standing() = 0;
  /// Puts the transaction's intents into the log, within the transaction, and commits. Throws
  /// Error when it is rolled back, and what `in_doubt` throws.
  virtual PendingWrite commit_intents() = 0;
  /// After an acknowledged commit whose marks are applied: gives back what others wait for, and
  /// tells other processes.
  virtual void settled(const PendingWrite& write) noexcept = 0;

  /// Applies what may have been committed, and throws CommitInDoubt.
  [[noreturn]] void in_doubt(const PendingWrite& write, const std::string& what,
                             std::string native_code);
  [[nodiscard]] DatabaseCore& core() const noexcept { return core_; }

 private:
  DatabaseCore& core_;
};

}  // namespace querymark

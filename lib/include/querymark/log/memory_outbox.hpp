#pragma once  // For users.

#include <map>
#include <string>
#include <vector>

#include "querymark/log/intent.hpp"
#include "querymark/log/log_claims.hpp"
#include "querymark/log/log_reader.hpp"
#include "querymark/log/receipt.hpp"
#include "querymark/support/clock.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark {

/// An outbox without a database, with the same contracts: for users' own tests, and for
/// `get_or_load` caches whose writers live in the same process. Thread-safe.
class MemoryOutbox final : public LogReader, public LogClaims {
 public:
  explicit MemoryOutbox(std::string namespace_name, const Clock& clock = system_clock());

  /// Appends the batch as one committed transaction.
  Receipt append(const IntentBatch& intents);
  /// Appends a row that no consumer can understand, as a foreign writer might.
  void append_malformed();
  /// Forgets rows below `floor`.
  void prune(Position floor);
  /// Forgets everything and starts a new epoch, as a restore of the database would.
  void replace_history();

  [[nodiscard]] Cursor now() override;
  [[nodiscard]] TailPage read(const TailRequest& request) override;
  [[nodiscard]] Cursor retained() override;
  [[nodiscard]] bool holds(const Receipt& receipt) override;
  [[nodiscard]] ClaimResult claim(const std::string& consumer, const std::string& owner,
                                  std::chrono::milliseconds lease) override;
  [[nodiscard]] bool advance(const Claim& claim) override;
  [[nodiscard]] bool renew(const Claim& claim, std::chrono::milliseconds lease) override;
  void release(const std::string& consumer, const std::string& owner) override;

 private:
  struct Consumer {
    std::optional<Cursor> cursor;  // nothing: registered, never advanced
    std::string owner;
    WriteId token;
    MonotonicTime lease_end;
  };
  [[nodiscard]] Cursor end() const QUERYMARK_REQUIRES(mutex_);
  [[nodiscard]] bool lost_rows(const Cursor& from) const QUERYMARK_REQUIRES(mutex_);
  [[nodiscard]] Consumer* held(const Claim& claim) QUERYMARK_REQUIRES(mutex_);

  std::string namespace_name_;
  const Clock& clock_;
  Mutex mutex_;
  Epoch epoch_ QUERYMARK_GUARDED_BY(mutex_) = Epoch::random();
  Position floor_{1};
  Position last_;
  WriteId last_write_;
  std::vector<LogRow> rows_;
  std::map<std::string, Consumer> consumers_;
};

}  // namespace querymark

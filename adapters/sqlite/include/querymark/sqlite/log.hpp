#pragma once  // For users.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "querymark/log/coverage.hpp"
#include "querymark/log/deliveries.hpp"
#include "querymark/log/inspector.hpp"
#include "querymark/log/log_claims.hpp"
#include "querymark/log/log_reader.hpp"
#include "querymark/log/pruning.hpp"
#include "querymark/log/subscribers.hpp"
#include "querymark/log/write_fate.hpp"
#include "querymark/mark/stamp.hpp"

namespace querymark::sqlite {

class LogFile;
struct FileIdentity;

struct LogOptions {
  std::chrono::milliseconds busy_timeout{5000};
  /// The opener writes below synchronous=FULL: from now on a reboot starts a new epoch.
  bool volatile_commits = false;
  /// Called before a changed history is reported: close what is open on the old file.
  std::function<void()> on_history_change;
};

/// The outbox table of one namespace in a SQLite file. One connection, one mutex; thread-safe.
///
/// Proves with every read that the history is the one its caller knows: the file behind the path is
/// the one opened, its epoch is the cursor's, the cursor's row still has the witness that the
/// cursor saw, and no row behind it is missing. Rows that were deleted without raising the floor,
/// or an id that was left out, count as pruned.
class Log final : public LogReader, public Coverage {
 public:
  /// Opens, checks the schema, and adopts the file: one that was never opened before, or is a copy
  /// of another one, however made, gets a database id and an epoch of its own; a reboot after
  /// commits below FULL starts a new epoch. Throws SchemaError, Error.
  Log(const std::string& path, std::string namespace_name, LogOptions options = {});
  ~Log() override;

  [[nodiscard]] Cursor now() override;
  [[nodiscard]] TailPage read(const TailRequest& request) override;
  [[nodiscard]] Cursor retained() override;
  [[nodiscard]] bool holds(const Receipt& receipt) override;
  [[nodiscard]] bool refutes(const Receipt& receipt) override;
  [[nodiscard]] LogCoverage coverage(Position first, Position last) override;
  /// What became of a write that left intents; never `running`, since SQLite has ended a
  /// transaction whose commit is in doubt. What is rolled back stays so from the next write to the
  /// file on; only a power loss before that could yet bring it back, as a whole.
  [[nodiscard]] WriteFate resolve(const Receipt& receipt);

  /// The namespaces of the log's newest rows, at most twenty: for operators. Throws Error.
  [[nodiscard]] std::vector<std::string> namespaces();
  /// See Database::reasons_at. Throws Error.
  [[nodiscard]] std::vector<std::string> reasons_at(Position position);
  /// What workers claim of this log, over the same connection, which stands as long as either.
  [[nodiscard]] std::unique_ptr<LogClaims> claims() const;
  /// What did not reach their targets at once. Likewise.
  [[nodiscard]] std::unique_ptr<Deliveries> deliveries() const;
  /// Who follows this log, in the file PATH-subscribers beside the database, and what may go of it.
  /// Likewise.
  [[nodiscard]] std::unique_ptr<Subscribers> subscribers() const;
  [[nodiscard]] std::unique_ptr<Pruning> pruning() const;
  /// What operators look at. Likewise.
  [[nodiscard]] std::unique_ptr<Inspector> inspector() const;
  /// Checks a stamp that survived outside the database: true when it is of this history. Starts a new
  /// epoch when the log's row below its horizon is not the one it saw: the database was rewound while
  /// nobody looked.
  [[nodiscard]] bool verify(const SharedStamp& stamp);
  /// Whether this is the log in that file: what is read from another one has nothing to do with it.
  [[nodiscard]] bool is_of(const FileIdentity& file) const noexcept;
  /// True once a look at the log has found that the write-ahead log was deleted or replaced under
  /// the open database: then nothing of other processes can be seen, each look throws, and what is
  /// written may be lost.
  [[nodiscard]] bool split() const noexcept;
  /// Of the file that is open.
  [[nodiscard]] std::string database_id() const;

 private:
  [[nodiscard]] TailPage read_page(const TailRequest& request);

  std::shared_ptr<LogFile> file_;
};

}  // namespace querymark::sqlite

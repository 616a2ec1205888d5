#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>

#include "connection.hpp"
#include "file_claim.hpp"
#include "log_state.hpp"
#include "querymark/sqlite/log.hpp"
#include "querymark/support/embedded_sql.hpp"
#include "querymark/support/mutex.hpp"
#include "subscriber_file.hpp"

namespace querymark::sqlite {

/// The file in which a log stands: one connection, which follows the path to whatever file lies
/// there, and the proofs that the file's history is its own. `Log` reads through it and `Claims`
/// moves consumers, both under its mutex.
class LogFile {
 public:
  /// Opens, checks the schema, and adopts the file. Throws SchemaError, Error.
  LogFile(const std::string& path, std::string namespace_name, LogOptions options);

  /// Whether the file at the connection's end is that one. Thread-safe.
  [[nodiscard]] bool is_of(const FileIdentity& file) const noexcept;
  /// As of the last look. Thread-safe.
  [[nodiscard]] bool split() const noexcept { return split_.load(std::memory_order_relaxed); }
  [[nodiscard]] const std::string& namespace_name() const noexcept { return namespace_name_; }

  [[nodiscard]] Mutex& mutex() noexcept QUERYMARK_RETURNS(mutex_) { return mutex_; }

  [[nodiscard]] const std::string& database_id() const noexcept QUERYMARK_REQUIRES(mutex_) {
    return database_id_;
  }
  /// Throws Error when what lies at the path could not be opened.
  [[nodiscard]] Connection& connection() QUERYMARK_REQUIRES(mutex_);
  /// Of the file's write-ahead log.
  [[nodiscard]] std::string wal_name() const QUERYMARK_REQUIRES(mutex_);
  ResultSet query(const SqlStatement& sql, std::initializer_list<ParameterView> values = {})
      QUERYMARK_REQUIRES(mutex_);
  std::int64_t execute(const SqlStatement& sql, std::initializer_list<ParameterView> values = {})
      QUERYMARK_REQUIRES(mutex_);

  /// Opens what lies at the path if that is another file by now. Throws Error where it can't be
  /// reached, or its write-ahead log is not the one that others use.
  void follow_path() QUERYMARK_REQUIRES(mutex_);
  /// Where the log stands; an epoch that is new here is adopted first.
  [[nodiscard]] LogState state(std::uint64_t cursor_id) QUERYMARK_REQUIRES(mutex_);
  /// The same as the file says, for a look inside a transaction.
  [[nodiscard]] LogState look(std::uint64_t cursor_id) QUERYMARK_REQUIRES(mutex_);
  /// Starts a new epoch unless another process was faster.
  void replace_if_rewound(Epoch epoch, std::uint64_t id, WriteId seen) QUERYMARK_REQUIRES(mutex_);
  /// Puts into the log that definitions have changed, unless another process was faster.
  void tell_if_redefined() QUERYMARK_REQUIRES(mutex_);
  /// True when rows behind `after`, up to `last`, are missing: nobody has said so by the floor.
  [[nodiscard]] bool has_gap(std::uint64_t after, std::uint64_t last) QUERYMARK_REQUIRES(mutex_);
  /// The file beside this one.
  [[nodiscard]] SubscriberFile& subscribers() QUERYMARK_REQUIRES(mutex_);
  [[nodiscard]] Beaten beat(const Heartbeat& beat, const Cursor& cursor) QUERYMARK_REQUIRES(mutex_);
  /// How far the log's reader was last told that it goes.
  void note_told(const Cursor& upto) QUERYMARK_REQUIRES(mutex_) { told_ = upto; }
  [[nodiscard]] const Cursor& told() const QUERYMARK_REQUIRES(mutex_) { return told_; }
  /// Whoever has connections to the old history closes them.
  void tell_history_changed() const;

 private:
  struct Meta {
    std::string database_id;
    Epoch epoch;
    FileClaim claim;
    std::optional<std::string> volatile_boot;  // set once anyone commits below FULL
  };
  // What a file needs before it is trusted to be what its rows say.
  enum class Adoption : std::uint8_t {
    none,
    refresh,       // it is the file that was claimed; something of the claim is new
    new_epoch,     // a reboot may have taken commits back
    new_identity,  // a copy, or never opened: what it says of itself is another file's
  };

  [[nodiscard]] Meta meta() QUERYMARK_REQUIRES(mutex_);
  [[nodiscard]] Adoption needed(const Meta& found, const FileClaim& now) const
      QUERYMARK_REQUIRES(mutex_);
  void adopt() QUERYMARK_REQUIRES(mutex_);
  [[nodiscard]] Meta claim_file(const FileClaim& now) QUERYMARK_REQUIRES(mutex_);
  void start_epoch() QUERYMARK_REQUIRES(mutex_);
  void open() QUERYMARK_REQUIRES(mutex_);
  void require_whole() QUERYMARK_REQUIRES(mutex_);
  [[nodiscard]] bool replaced() const QUERYMARK_REQUIRES(mutex_);

  std::string path_;
  std::string namespace_name_;
  LogOptions options_;

  Mutex mutex_;
  std::string database_id_ QUERYMARK_GUARDED_BY(mutex_);
  Epoch adopted_
      QUERYMARK_GUARDED_BY(mutex_);  // the epoch under which the file was last proved to be its own
  Cursor told_ QUERYMARK_GUARDED_BY(mutex_);
  std::unique_ptr<Connection> connection_ QUERYMARK_GUARDED_BY(mutex_);
  SubscriberFile subscribers_ QUERYMARK_GUARDED_BY(mutex_);
  std::optional<FileIdentity> wal_
      QUERYMARK_GUARDED_BY(mutex_);  // the write-ahead log that is open, once there was one

  std::atomic<bool> split_{false};
  mutable Mutex file_mutex_;                                  // innermost
  FileIdentity open_file_ QUERYMARK_GUARDED_BY(file_mutex_);  // the connection's
};

}  // namespace querymark::sqlite

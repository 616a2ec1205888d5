#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "querymark/log/log_reader.hpp"
#include "querymark/mark/position.hpp"
#include "querymark/result/result_set.hpp"
#include "querymark/support/clock.hpp"

// For writers of ports: what a database shows to those who operate it.

namespace querymark {

/// Rows, counted up to a bound that keeps counting cheap.
struct BoundedCount {
  std::uint64_t rows = 0;
  bool more = false;  ///< There are more than these.
};

/// The database with the log.
struct DatabaseReport {
  std::string database_id;
  Epoch epoch;
  std::string floor;  ///< Below it the log may have been pruned.
  int schema = 0;     ///< The version that it has.
  WallTime now;       ///< By its clock.
  /// Of the log's oldest row; nothing: it is empty.
  std::optional<std::chrono::milliseconds> oldest;
};

/// What a cursor does not cover.
struct Backlog {
  BoundedCount rows;
  /// Age of the oldest of these; nothing: there are none.
  std::optional<std::chrono::milliseconds> lag;
};

/// How far one shared target is, and what hinders it.
struct ConsumerReport {
  std::string namespace_name;
  std::string name;
  std::string owner;      ///< The worker that holds the lease; empty: nobody.
  bool current = false;   ///< Its cursor is of this history; otherwise it will start with a flush.
  std::string cursor;     ///< As the database spells it.
  Backlog behind;         ///< Of its namespace.
  unsigned attempts = 0;  ///< Of the segment that it is at.
  bool owes_flush = false;  ///< In place of deliveries that have died.
  /// For how long its target has taken nothing; nothing: it works.
  std::optional<std::chrono::milliseconds> down;
  std::string down_reason;
  BoundedCount waiting;  ///< Deliveries to be tried again.
  BoundedCount dead;
  BoundedCount expired;
  /// The statements by which an operator has the log forget it, quoted by the database.
  std::string forgetting;
};

/// What the log says of a row beside its target.
struct RowDetails {
  std::uint64_t id = 0;
  std::string reason;
  WallTime created_at;
};

/// Something about the database that hurts, and what to do.
struct Finding {
  enum class Severity : std::uint8_t { notice, warning, error } severity = Severity::notice;
  std::string what;
  std::string advice;
};

/// A database for people to look at. Each look is cheap at any size of the log. Implementations are
/// thread-safe, may block on I/O, and throw Error.
class Inspector {
 public:
  virtual ~Inspector() = default;

  [[nodiscard]] virtual DatabaseReport database() = 0;
  /// In the order of their names; of one namespace, or (empty) of all.
  [[nodiscard]] virtual std::vector<ConsumerReport> consumers(
      const std::string& namespace_name) = 0;
  /// What a cursor of the current history has yet to cover of a namespace, as far as the next `most`
  /// rows of the log tell, whosever they are: those are read.
  [[nodiscard]] virtual Backlog behind(const std::string& namespace_name, const Cursor& cursor,
                                       std::uint64_t most) = 0;
  /// Of rows that the log's reader has shown; those that are gone are left out.
  [[nodiscard]] virtual std::vector<RowDetails> details(std::span<const LogRow> rows) = 0;
  /// Settings, rights and states that hurt, among them transactions that have been open for longer
  /// than `longest_open` and do nothing.
  [[nodiscard]] virtual std::vector<Finding> findings(std::chrono::milliseconds longest_open) = 0;
};

// Out of what a statement answers, by the names of its columns; times in milliseconds. All throw
// SchemaError or TypeError for rows of another shape.
[[nodiscard]] DatabaseReport database_report(const ResultSet& set);
[[nodiscard]] std::vector<ConsumerReport> consumer_reports(const ResultSet& set);
[[nodiscard]] Backlog backlog_of(const Row& row);
[[nodiscard]] std::vector<RowDetails> row_details(const ResultSet& set);
[[nodiscard]] std::vector<Finding> findings_of(const ResultSet& set);

[[nodiscard]] std::string_view to_string(Finding::Severity severity) noexcept;

}  // namespace querymark

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "control_file.hpp"
#include "querymark/database/queries.hpp"
#include "querymark/file_tier/file_tier.hpp"
#include "querymark/log/receipt.hpp"
#include "querymark/wait/wait.hpp"
#include "querymark/write/transaction.hpp"

/// What differs between the databases that the catalogue can live in. The questions and the changes
/// don't: their SQL is the same text for all, with `$1` for a parameter, which SQLite knows too
/// (and numbers by first appearance, so parameters appear in order).
namespace catalogue {

namespace qm = querymark;

/// In the log.
inline constexpr const char* kNamespace = "querymark_demo";
/// Where the catalogue's tables are in a PostgreSQL database.
inline constexpr const char* kPostgresSchema = "querymark_demo";

/// Who says what makes answers stale, and how many of them are checked against the database.
struct StoreOptions {
  qm::Tags tags = qm::Tags::declared;
  qm::AuditOptions audit{};
};

/// A database with a cache in front. An application knows which database it has, and holds a
/// qm::sqlite::Database or a qm::postgres::Database instead: these are their members.
///
/// Thread-safe.
class Store {
 public:
  virtual ~Store() = default;
  [[nodiscard]] virtual qm::Queries& queries() noexcept = 0;
  virtual qm::Receipt write(const std::function<void(qm::Transaction&)>& change) = 0;
  [[nodiscard]] virtual qm::WaitOutcome wait(const qm::Receipt& receipt, const qm::Wait& wait) = 0;
  /// What was committed before the call reaches all answers after it, whoever committed it.
  virtual void catch_up() = 0;
  /// Before the first read.
  virtual void attach(qm::FileTier tier) = 0;
};

/// A connection without querymark, through the database's own client library, and its prepared
/// statements. Not thread-safe. Throws the client library's exceptions.
class PlainClient {
 public:
  /// The row that a statement is at. Columns count from 0.
  class Row {
   public:
    [[nodiscard]] virtual std::string text(int column) const = 0;
    [[nodiscard]] virtual std::int64_t integer(int column) const = 0;

   protected:
    ~Row() = default;
  };

  virtual ~PlainClient() = default;
  /// Returns the statement's number.
  [[nodiscard]] virtual std::size_t prepare(const std::string& sql) = 0;
  /// Runs a statement in a transaction of its own, so that it sees the newest commit.
  virtual void ask(std::size_t statement, std::span<const std::string> arguments,
                   const std::function<void(const Row&)>& row) = 0;
};

/// Creates the catalogue's tables and fills them: `finish()` makes the rows visible, without it
/// none are. Not thread-safe.
class Loading {
 public:
  virtual ~Loading() = default;
  /// `id` is new, and so is the record's name.
  virtual void add_package(std::int64_t id, const PackageRecord& record) = 0;
  /// No dependency twice.
  virtual void add_dependency(std::int64_t package_id, std::string_view depends_on,
                              std::string_view kind) = 0;
  virtual void finish() = 0;
};

/// A database, known by its URL.
class Backend {
 public:
  virtual ~Backend() = default;
  /// Of the kind of database, for people.
  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual std::unique_ptr<Store> open(qm::Cache& cache,
                                                    const StoreOptions& options) const = 0;
  [[nodiscard]] virtual std::unique_ptr<PlainClient> connect() const = 0;
  [[nodiscard]] virtual std::unique_ptr<Loading> load() const = 0;
  /// A table of the catalogue, as `querymark track` takes it.
  [[nodiscard]] virtual std::string table(const std::string& name) const = 0;
  /// What a session without querymark runs first, so that it finds the catalogue's tables.
  [[nodiscard]] virtual std::string greeting() const = 0;
  /// What such a session, of the tables' owner, runs to switch one trigger of the packages off so
  /// that nothing tells of it: their updates are no longer reported. For the canary alone.
  [[nodiscard]] virtual std::string sabotage() const = 0;
};

/// `url` is `postgresql://…`, `sqlite:PATH` or a path. Throws querymark::ConfigError.
[[nodiscard]] std::unique_ptr<Backend> backend_of(const std::string& url);

}  // namespace catalogue

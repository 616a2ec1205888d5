#pragma once  // For users.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "querymark/database/session_settings.hpp"
#include "querymark/feed/feed.hpp"
#include "querymark/read/source.hpp"

namespace querymark::postgres {

/// What the pool pins on each of its connections, since it changes results, and so is part of each
/// key. Nothing: what the server gives the role. That is pinned and part of the key all the same,
/// as is every other setting that the URL, the database or the role brings, custom ones included.
/// bytea_output is always `hex`. When the server comes to give new sessions other settings (ALTER
/// ROLE … SET, a changed configuration), they are refused with ConfigError, and those that stand go
/// on as they are; pin the setting here, or restart the program.
struct SessionPins {
  std::optional<std::string> role{};
  std::optional<std::string> search_path{};
  std::optional<std::string> time_zone{};
  std::optional<std::string> date_style{};
  std::optional<std::string> interval_style{};
  /// Further settings by name, such as {"app.tenant", "7"}. A session never forgets a custom
  /// setting that a write has set, also with SET LOCAL: it becomes '' where it was NULL, so the
  /// connection is closed after that write. One that is pinned here, to '' if need be, costs
  /// nothing.
  std::map<std::string, std::string> settings{};
};

/// How a process that nobody declares tags to learns that a table, a view, a function, a policy was changed: what was
/// kept and found out before that no longer counts. A value type.
class Ddl {
 public:
  /// By event triggers, in the transaction that makes the change: a superuser's `querymark track` makes them. Where
  /// they are missing, nothing is kept without tags. One that is disabled says nothing of that, so they are looked at
  /// once per `max_lag`.
  [[nodiscard]] static Ddl reported() { return Ddl({}); }
  /// By looking at the catalogue so often, where there is no superuser to make event triggers. Weaker: for as long as
  /// that a result may be served that an older definition gave, or that is of a table that no longer reports.
  /// What rests on it stays in this process: no shared tier gets it. Materialized views are not kept, since nothing in
  /// the catalogue tells of every REFRESH. A look reads as much as the database has objects. Throws ConfigError
  /// unless it is longer than zero.
  [[nodiscard]] static Ddl polled(TimeSpan pause);

  /// Zero: reported.
  [[nodiscard]] TimeSpan pause() const noexcept { return pause_; }

 private:
  explicit Ddl(TimeSpan pause) noexcept : pause_(pause) {}
  TimeSpan pause_;
};

struct Options {
  std::string namespace_name = "default";  ///< Keys, intents and receipts stay within it.
  TimeSpan max_lag{std::chrono::seconds(5)};
  Lagging lagging = Lagging::bypass;
  TimeSpan default_ttl{std::chrono::minutes(5)};
  /// Longest pause between two looks at the log, at most a third of max_lag: how late a write is
  /// seen while the doorbell is lost. Looks come more often while rows come that nobody rang for.
  TimeSpan poll_interval{std::chrono::milliseconds(1340)};
  /// Most looks at the log a second of all processes on the database together, but for those that
  /// somebody waits for: the more processes, the more writes one look takes in. Zero: without bound.
  std::uint64_t log_reads_per_second = 2000;
  SessionPins session{};
  std::size_t connections = 8;  ///< Most pooled connections; more callers wait.
  PatienceSpan patience{
      std::chrono::milliseconds(5000)};  ///< Longest wait for a pooled connection.
  PatienceSpan connect_timeout{std::chrono::milliseconds(5000)};
  /// Client-side, for each statement of queries and writes; zero: none. A statement that takes
  /// longer is cancelled on the server, and its connection closed; COMMIT is not cancelled, but in
  /// doubt.
  PatienceSpan statement_timeout{std::chrono::milliseconds(0)};
  /// Client-side, for each statement of the subscriber and the doorbell.
  PatienceSpan log_timeout{std::chrono::milliseconds(5000)};
  /// For the subscriber and LISTEN, where the main URL leads to a pooling proxy: they share a server
  /// session, for prepared statements and notifications, and refuse the proxy. Queries and
  /// writes work through it, with six round trips more: each pins and proves the session it is
  /// lent. Empty: the main URL.
  std::string direct_url{};
  /// A hot standby of the database, itself, not behind a pooling proxy. Loads of cached queries ask
  /// it, by as many connections of its own as `connections` says, opened when they are needed. What
  /// it gives counts only if its snapshot includes every invalidation that this process knows of the
  /// query's targets; else, and whenever the standby can't answer, the primary is asked (see
  /// CacheStats::replica_stale, Database::replica). Of a query without tags nothing tells how far the
  /// standby lags behind. Reads that are uncached, strong, at_least, or in a transaction of the
  /// caller's ask the primary; those of a session that is monotonic look at the log first, since what
  /// nobody is known to have invalidated may come older than what an earlier read saw. While a
  /// transaction stays open on the primary, loads of what was written since ask both. Name a standby
  /// of the primary itself: of one that follows another standby nobody can tell that this was promoted
  /// beside a primary that lives on, before a program with this library has opened the promoted one and
  /// begun a new epoch there. Empty: none.
  std::string replica_url{};
  /// A server through which a worker hands on the log, such as
  /// `std::make_shared<RedisFeed>("redis://cache:6379")`: then this process follows that, and never
  /// reads the log of the database, so that any number of processes cost it what the worker does. It
  /// loads and writes as ever. Opening, strong reads, `catch_up` and waits for what has yet to come
  /// wait for a worker's answer, and fail while none is there; freshness is trusted for `max_lag` after
  /// a question that was answered, so workers must look more often than that (`--poll-ms`). What
  /// became of a write in doubt is not told by a local wait. Null: the log is read.
  std::shared_ptr<Feed> feed{};
  /// Keep statements that come again prepared, at most 64 for each pooled connection, where they then go on
  /// meaning what their texts mean (docs/decisions.md). False: each travels as its text, and is planned each time.
  bool prepare_statements = true;
  bool require_tags = false;  ///< Refuse a cached query without tags.
  /// Who says what makes a result stale: the queries, or the database (docs/automatic.md).
  Tags tags = Tags::declared;
  /// With automatic tags.
  Ddl ddl = Ddl::reported();
  /// Hits that are checked against the database, by sampling.
  AuditOptions audit{};
  bool require_intents = false;  ///< Refuse a write without intents.
  std::size_t mark_cells = 0;    ///< Zero: the default.
  LoadBudget load_budget{};      ///< No bound by default.
};

enum class Isolation : std::uint8_t { read_committed, repeatable_read, serializable };

struct WriteOptions {
  Isolation isolation = Isolation::read_committed;
  /// How often to run the function again after a serialization failure or a deadlock. It must then
  /// be repeatable.
  unsigned retries = 0;
  /// Of the transaction alone; see Database::with.
  SessionSettings settings{};
};

}  // namespace querymark::postgres

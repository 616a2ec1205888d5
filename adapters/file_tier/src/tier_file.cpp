#include "tier_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <new>
#include <string_view>

#include "file_claim.hpp"
#include "file_tier_sql.hpp"
#include "querymark/support/clock.hpp"
#include "querymark/support/wake_event.hpp"

namespace querymark::file_tier {
namespace {

using sqlite::claim_on;
using sqlite::FileClaim;
using sqlite::SchemaQueries;
using sqlite::ScopedTransaction;

constexpr int kEvictAtOnce = 64;
constexpr SchemaQueries kSchema{sql::schema_present, sql::schema_version};

// Whoever owns a file may change it, and so does everybody whom its mode lets write: what it holds
// is then theirs. SQLite takes what stands in the files beside a database for a part of it.
void require_private(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    const std::string file = path + suffix;
    struct stat info{};
    if (::stat(file.c_str(), &info) != 0) continue;  // missing; else opening it tells
    if (info.st_uid != ::geteuid())
      throw ConfigError(file + " belongs to another user (id " + std::to_string(info.st_uid) +
                        "): what it holds can't be trusted; name a file of your own");
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
      throw ConfigError(file +
                        " can be written by other users: what it holds can't be trusted; "
                        "run: chmod 600 " +
                        file);
  }
}

// What does not pass by itself: pages are missing, or none of SQLite's.
bool is_broken(const Error& error) {
  const std::string_view code = error.native_code();
  return code == "SQLITE_IOERR_SHORT_READ" || code == "SQLITE_NOTADB" ||
         code.starts_with("SQLITE_CORRUPT");
}

// Held, where anybody could hold it, by whoever removes a tier's files: between his look at what the path leads to
// and the end of it nobody else does, who could take what was made meanwhile for what was broken. It is the
// folder's, since to open a database's file and close it lets go of all locks that SQLite has on it; and the
// system takes it back from who dies.
class RemovalLock {
 public:
  explicit RemovalLock(const std::string& path)
      : folder_(::open(std::filesystem::path(path).parent_path().c_str(),
                       O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
        others_(::flock(folder_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {}
  /// Somebody else is at it.
  [[nodiscard]] bool others() const noexcept { return others_; }

 private:
  Descriptor folder_;
  bool others_;
};

// Throws unless the file is a tier of a known version, or empty.
void require_tier(TierConnection& tier, const std::string& path) {
  // One snapshot: another process may be creating the tier.
  ScopedTransaction snapshot(tier.connection(), ScopedTransaction::Kind::read);
  const int found = sqlite::find_schema_version(tier.connection(), kSchema);
  const int newest = std::end(sql::kMigrations)[-1].version;
  if (found > newest)
    throw SchemaError(path + " was made by a newer querymark (tier schema " +
                      std::to_string(found) + ", this program knows " + std::to_string(newest) +
                      "); upgrade the program, or use another file");
  if (found == 0 && tier.number(sql::any_table) > 0)
    throw ConfigError(path + " is a database, but no querymark file tier; name another file");
  snapshot.commit();
}

struct TierIdentity {
  std::string id;
  FileClaim claim;
};

TierIdentity identity_in(TierConnection& tier) {
  const ResultSet set = tier.query(sql::identity);
  if (set.empty()) return {};
  const Row row = set.row(0);
  const auto text = [&](std::size_t column) {
    return row[column].as<std::optional<std::string>>().value_or("");
  };
  return {text(0), {.file = text(1), .birth = text(2), .machine = text(3), .boot = text(4)}};
}

// The tier's id; a new one for a copy. Requires a connection that may write.
std::string claim_tier(TierConnection& tier) {
  const FileClaim now = claim_on(tier.connection().identity());
  if (const TierIdentity found = identity_in(tier); found.claim == now) return found.id;
  ScopedTransaction transaction(tier.connection(), ScopedTransaction::Kind::write);
  TierIdentity found = identity_in(tier);  // another process may have been faster
  if (!sqlite::same_file(found.claim, now)) found.id = Epoch::random().hex();
  const auto optional = [](const std::string& text) {
    return text.empty() ? ParameterView() : as_parameter(text);
  };
  tier.execute(sql::claim_file, {as_parameter(found.id), as_parameter(now.file),
                                 optional(now.birth), optional(now.machine), optional(now.boot)});
  transaction.commit();
  return found.id;
}

}  // namespace

std::uint64_t TierConnection::recount() {
  execute(sql::recount);
  return number(sql::total_bytes);
}

std::uint64_t TierConnection::total_bytes() {
  const ResultSet set = query(sql::total_bytes);
  const auto counted = set.empty() ? std::nullopt : set.row(0)[0].as<std::optional<std::int64_t>>();
  return counted && *counted >= 0 ? static_cast<std::uint64_t>(*counted) : recount();
}

std::uint64_t TierConnection::checked_total_bytes() {
  // Both count the same entries, one by estimates, the other in whole pages.
  constexpr std::uint64_t kSlack = 256U << 10U;
  const std::uint64_t total = total_bytes();
  const std::uint64_t used = number(sql::used_bytes);
  const bool plausible = total <= 2 * used + kSlack && used <= 2 * total + kSlack;
  return plausible ? total : recount();
}

std::uint64_t TierConnection::make_room(std::uint64_t limit, WallTime now) {
  if (total_bytes() <= limit || checked_total_bytes() <= limit) return 0;
  auto evicted = static_cast<std::uint64_t>(
      execute(sql::delete_expired,
              {as_parameter(now.time_since_epoch().count()), as_parameter(kEvictAtOnce)}));
  // Each round but the last takes entries away, whatever the counter says.
  while (total_bytes() > limit) {
    const auto gone =
        static_cast<std::uint64_t>(execute(sql::delete_oldest, {as_parameter(kEvictAtOnce)}));
    evicted += gone;
    if (gone > 0) continue;
    recount();
    break;
  }
  return evicted;
}

TierFile::TierFile(std::string path) : path_(std::move(path)) {}

bool TierFile::prepared(const std::optional<FileIdentity>& file) const {
  const MutexLock lock(state_mutex_);
  return file && file == prepared_;
}

std::string TierFile::id() const {
  const MutexLock lock(state_mutex_);
  return id_;
}

void TierFile::prepare(std::chrono::milliseconds busy_timeout) {
  require_private(path_);
  TierConnection tier(path_, Connection::Use::write,
                      {.busy_timeout = busy_timeout,
                       .synchronous_full = false,
                       .write_ahead_log = false,
                       .create = true});
  require_tier(tier, path_);
  tier.connection().write_ahead();
  run_migrations(sql::kMigrations, sqlite::migration_port(tier.connection(), kSchema, path_),
                 false);
  require_private(path_);  // what somebody else has made meanwhile
  std::string id = claim_tier(tier);
  tier.checked_total_bytes();
  const MutexLock lock(state_mutex_);
  if (prepared_) replaced_.fetch_add(1);
  prepared_ = tier.connection().identity();
  id_ = std::move(id);
}

// (The log goes first: a new file would take it for its own.)
void TierFile::failed(const std::exception& why, const TierConnection* by) noexcept {
  const auto* error = dynamic_cast<const Error*>(&why);
  if (error == nullptr || !is_broken(*error)) return;
  try {
    const RemovalLock lock(path_);
    if (lock.others()) return;  // then it is gone in a moment
    const std::optional<FileIdentity> now = sqlite::identity_of(path_);
    if (by != nullptr ? now != by->connection().identity() : !prepared(now)) return;
    for (const char* suffix : {"-wal", "-shm", "-journal", ""}) ::unlink((path_ + suffix).c_str());
  } catch (const std::bad_alloc&) {  // the next call that fails does it
  }
}

std::unique_ptr<TierConnection> TierFile::open(Connection::Use use,
                                               std::chrono::milliseconds busy_timeout, Wait wait) {
  if (!prepared(sqlite::identity_of(path_))) {
    if (wait == Wait::yes)
      prepare_mutex_.lock();
    else if (!prepare_mutex_.try_lock())
      throw Error(path_ + " is being opened by another thread", {.retryable = true});
    const MutexLock lock(prepare_mutex_, std::adopt_lock);
    if (!prepared(sqlite::identity_of(path_))) prepare(busy_timeout);
  }
  auto connection = std::make_unique<TierConnection>(
      path_, use, Connection::Settings{.busy_timeout = busy_timeout, .synchronous_full = false});
  if (!prepared(connection->connection().identity()))
    throw Error(path_ + " was replaced while it was opened", {.retryable = true});
  return connection;
}

}  // namespace querymark::file_tier

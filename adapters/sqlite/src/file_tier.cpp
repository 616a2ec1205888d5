#include "querymark/sqlite/file_tier.hpp"

#include <atomic>
#include <exception>
#include <filesystem>
#include <mutex>

#include "connection.hpp"
#include "file_tier_sql.hpp"
#include "querymark/sqlite/url.hpp"
#include "querymark/support/clock.hpp"

namespace querymark::sqlite {
namespace {

const SqlCatalog& tier_statements() {
  static const SqlCatalog catalog(tier_sql::kQueries);
  return catalog;
}

// What an entry takes beside its value: rows, two index entries, and per target a row and an index
// entry.
std::size_t entry_bytes(std::size_t value, std::size_t targets) {
  return value + 200 + targets * 100;
}

constexpr int kEvictAtOnce = 64;

}  // namespace

struct FileTier::State {
  std::string path;
  FileTierOptions options;
  std::mutex mutex;  // guards connection
  std::unique_ptr<Connection> connection;
  std::atomic<std::uint64_t> reads{0}, hits{0}, corrupt{0}, failures{0}, stored{0}, evicted{0};

  // The rest requires the mutex.
  ResultSet query(std::string_view name, std::initializer_list<ParameterView> values = {}) {
    return connection->query(tier_statements().get(name), {values.begin(), values.size()});
  }
  std::int64_t execute(std::string_view name, std::initializer_list<ParameterView> values = {}) {
    return connection->execute(tier_statements().get(name), {values.begin(), values.size()});
  }
  std::uint64_t number(std::string_view name, std::initializer_list<ParameterView> values = {}) {
    const ResultSet set = query(name, values);
    return set.row(0)[0].as<std::uint64_t>();
  }

  void open() {
    connection = std::make_unique<Connection>(
        path, Connection::Use::write,
        // Opening waits longer than reading: several processes may create the file at once.
        Connection::Settings{.busy_timeout = std::chrono::seconds(5),
                             .synchronous = Synchronous::normal,
                             .write_ahead_log = false,
                             .create = true});
    require_tier();
    connection->write_ahead();
    run_migrations(tier_sql::kMigrations, migration_port(*connection, tier_statements(), path),
                   false);
    connection->set_busy_timeout(options.busy_timeout);
  }

  // Throws unless the file is a tier of a known version, or empty.
  void require_tier() {
    // One snapshot: another process may be creating the tier.
    ScopedTransaction snapshot(*connection, ScopedTransaction::Kind::read);
    const int found = find_schema_version(*connection, tier_statements());
    const int newest = std::end(tier_sql::kMigrations)[-1].version;
    if (found > newest)
      throw SchemaError(path + " was made by a newer querymark (tier schema " +
                        std::to_string(found) + ", this program knows " + std::to_string(newest) +
                        "); upgrade the program, or use another file");
    if (found == 0 && number("any_table") > 0)
      throw ConfigError(path + " is a database, but no querymark file tier; name another file");
    snapshot.commit();
  }

  void make_room() {
    if (number("total_bytes") <= options.max_bytes) return;
    const auto now = system_clock().wall_now().time_since_epoch().count();
    evicted += static_cast<std::uint64_t>(
        execute("delete_expired", {as_parameter(now), as_parameter(kEvictAtOnce)}));
    while (number("total_bytes") > options.max_bytes)
      evicted += static_cast<std::uint64_t>(execute("delete_oldest", {as_parameter(kEvictAtOnce)}));
  }
};

FileTier::FileTier(const std::string& path, FileTierOptions options)
    : state_(std::make_unique<State>()) {
  if (options.max_entry_bytes == 0) options.max_entry_bytes = options.max_bytes / 8;
  state_->options = options;
  std::error_code ignored;  // a folder that is missing is reported by open()
  const std::string absolute = path_of(path);
  const auto canonical = std::filesystem::weakly_canonical(absolute, ignored);
  state_->path = canonical.empty() ? absolute : canonical.string();
  state_->open();
}

FileTier::FileTier(FileTier&&) noexcept = default;
FileTier& FileTier::operator=(FileTier&&) noexcept = default;
FileTier::~FileTier() = default;

std::string_view FileTier::label() const noexcept { return "file"; }
const std::string& FileTier::path() const noexcept { return state_->path; }

std::optional<SharedValue> FileTier::get(const Digest& name) noexcept {
  State& state = *state_;
  state.reads.fetch_add(1, std::memory_order_relaxed);
  try {
    const std::lock_guard lock(state.mutex);
    const auto now = system_clock().wall_now().time_since_epoch().count();
    const ResultSet found =
        state.query("get", {ParameterView::bytes(name.view()), as_parameter(now)});
    if (found.empty()) return std::nullopt;
    auto value = decode_shared_value(found.row(0)[0].view());
    (value ? state.hits : state.corrupt).fetch_add(1, std::memory_order_relaxed);
    return value;
  } catch (const std::exception&) {  // a tier that is down or corrupt: a miss, counted
    state.failures.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
  }
}

StoreStatus FileTier::put(std::string_view space, const Digest& name,
                          const SharedValue& value) noexcept {
  State& state = *state_;
  try {
    const std::string encoded = encode_shared_value(value);
    const std::size_t bytes = entry_bytes(encoded.size(), value.targets.size());
    if (bytes > state.options.max_entry_bytes) return StoreStatus::oversize;
    const std::string epoch = value.stamp.epoch.hex();
    const ParameterView name_bytes = ParameterView::bytes(name.view());
    const std::lock_guard lock(state.mutex);
    ScopedTransaction transaction(*state.connection, ScopedTransaction::Kind::write);
    if (state.number("has_later", {name_bytes, as_parameter(epoch),
                                   as_parameter(value.stamp.horizon.value)}) > 0)
      return StoreStatus::superseded;
    state.execute("delete_name", {name_bytes});
    const ResultSet inserted = state.connection->query_writing(
        tier_statements().get("insert_entry"),
        std::initializer_list<ParameterView>{
            name_bytes, as_parameter(space), as_parameter(epoch),
            as_parameter(value.stamp.horizon.value),
            as_parameter(static_cast<std::int64_t>(value.stamp.witness.value)),
            as_parameter(value.expires.time_since_epoch().count()), as_parameter(bytes),
            ParameterView::bytes(encoded)});
    const auto seq = inserted.row(0)[0].as<std::int64_t>();
    for (const Target& target : value.targets) {
      const Digest hash = target.hash();
      state.execute("insert_target", {ParameterView::bytes(hash.view()), as_parameter(seq)});
    }
    state.make_room();
    transaction.commit();
    state.stored.fetch_add(1, std::memory_order_relaxed);
    return StoreStatus::stored;
  } catch (const std::exception&) {  // a loss, counted
    state.failures.fetch_add(1, std::memory_order_relaxed);
    return StoreStatus::failed;
  }
}

void FileTier::invalidate(std::string_view space, Epoch epoch,
                          std::span<const SharedInvalidation> invalidations) {
  State& state = *state_;
  const std::string epoch_hex = epoch.hex();
  const std::lock_guard lock(state.mutex);
  ScopedTransaction transaction(*state.connection, ScopedTransaction::Kind::write);
  for (const SharedInvalidation& invalidation : invalidations) {
    const ParameterView position = as_parameter(invalidation.position.value);
    if (invalidation.target.is_flush()) {
      state.execute("delete_namespace", {as_parameter(space), as_parameter(epoch_hex), position});
      continue;
    }
    const Digest hash = invalidation.target.hash();
    state.execute("delete_target", {ParameterView::bytes(hash.view()), as_parameter(space),
                                    as_parameter(epoch_hex), position});
  }
  transaction.commit();
}

std::optional<SharedStamp> FileTier::newest(Epoch epoch) const {
  const std::lock_guard lock(state_->mutex);
  const std::string hex = epoch.hex();
  const ResultSet found = state_->query("newest", {as_parameter(hex)});
  if (found.empty()) return std::nullopt;
  const Row row = found.row(0);
  return SharedStamp{epoch, Position{row[0].as<std::uint64_t>()},
                     WriteId{static_cast<std::uint64_t>(row[1].as<std::int64_t>())}};
}

FileTierStats FileTier::stats() const {
  State& state = *state_;
  FileTierStats stats{.reads = state.reads.load(),
                      .hits = state.hits.load(),
                      .corrupt = state.corrupt.load(),
                      .failures = state.failures.load(),
                      .stored = state.stored.load(),
                      .evicted = state.evicted.load()};
  const std::lock_guard lock(state.mutex);
  stats.entries = state.number("count");
  stats.bytes = state.number("total_bytes");
  return stats;
}

}  // namespace querymark::sqlite

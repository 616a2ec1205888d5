#include "querymark/file_tier/file_tier.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <filesystem>
#include <utility>

#include "file_tier_sql.hpp"
#include "querymark/sqlite/url.hpp"
#include "querymark/support/mutex.hpp"
#include "querymark/tier/breaker.hpp"
#include "readers.hpp"
#include "statement.hpp"
#include "tier_file.hpp"
#include "turn.hpp"

// Who may hold up whom.
//   read        takes any reader that is free (try_lock), the one that its thread had last before
//               others: threads that read at once keep to connections of their own. None: skipped.
//               In WAL mode SQLite's readers wait for no writer.
//   put         takes the writer's turn within kPatience; else skipped
//   invalidate  (the worker), newest, stats   wait for `applier`, a connection of their own
// Each connection waits for other processes' locks up to busy_timeout, the deadline of a call. A
// call that fails or ends late opens its breaker, one for reads and one for writes: then nobody
// tries for a while, so a slow file costs one caller a deadline, not everybody. Readers that hang
// in the operating system show by `since`: who finds one that is late does not try another.
//
// The lock of a reader, the writer's turn and the applier's mutex are never taken together.

namespace querymark {
namespace {

namespace sql = file_tier::sql;
using file_tier::Reader;
using file_tier::Readers;
using file_tier::TierConnection;
using file_tier::TierFile;
using sqlite::Connection;
using sqlite::ScopedTransaction;

// What an entry takes beside its value: rows, two index entries, and per target a row and an index
// entry.
std::size_t entry_bytes(std::size_t value, std::size_t targets) {
  return value + 200 + targets * 100;
}

constexpr std::chrono::milliseconds kPatience{2};
constexpr std::size_t kTogether = 100;  // in one transaction: others write, too
// A look at where the path leads costs a fifth of a hit.
constexpr std::chrono::milliseconds kLookEvery{1};
// A read that comes so soon after the last one is one of many: they share a snapshot.
constexpr std::chrono::microseconds kSoon{250};
// Opening waits longer than reading: several processes may create the file at once.
constexpr std::chrono::seconds kOpenTimeout{5};
constexpr std::uint64_t kCheckEvery = 1024;  // stores between two looks at the counter of bytes

// Columns of the statement `get`.
enum : std::uint8_t { kNamespace, kEpoch, kHorizon, kValue };

// Which reader this thread had last, of any tier: where to begin.
thread_local std::size_t last_reader = 0;

// Nothing but what memory lacks for makes it empty.
TierFailure failure(bool tried, const char* why) noexcept {
  try {
    return {.tried = tried, .cause = why};
  } catch (const std::exception&) {
    return {.tried = tried};
  }
}

std::string canonical(const std::string& path) {
  std::error_code ignored;  // a folder that is missing is reported by open()
  const std::string absolute = sqlite::path_of(path);
  const auto resolved = std::filesystem::weakly_canonical(absolute, ignored);
  return resolved.empty() ? absolute : resolved.string();
}

}  // namespace

struct FileTier::State {
  State(const std::string& path, FileTierOptions opts)
      : options(std::move(opts)), file(canonical(path)) {}

  // Makes `connection` one to what the path leads to now.
  TierConnection& follow(std::unique_ptr<TierConnection>& connection, Connection::Use use,
                         TierFile::Wait wait) {
    if (connection && file.current(*connection)) return *connection;
    connection.reset();
    connection = file.open(use, options.busy_timeout, wait);
    return *connection;
  }

  TierConnection& follow(Reader& reader, MonotonicTime now) QUERYMARK_REQUIRES(reader.mutex) {
    if (reader.connection && now - reader.looked < kLookEvery) return *reader.connection;
    TierConnection& tier = follow(reader.connection, Connection::Use::read, TierFile::Wait::no);
    reader.looked = now;
    return tier;
  }

  std::optional<TierFailure> skip(const char* why) noexcept {
    skipped.fetch_add(1, std::memory_order_relaxed);
    return failure(false, why);
  }

  // Runs `work` on the connection unless the breaker forbids it, and tells it what came of it.
  // Whatever fails closes the connection: the next call opens it anew.
  template <class Work>
  std::optional<TierFailure> guarded(Breaker& breaker, MonotonicTime began,
                                     std::unique_ptr<TierConnection>& connection,
                                     Work&& work) noexcept {
    if (!breaker.allows(began)) return skip("slow or failing a moment ago");
    try {
      work();
      const MonotonicTime ended = options.clock->now();
      if (ended - began > options.busy_timeout)
        breaker.failed(ended);
      else
        breaker.succeeded();
      return std::nullopt;
    } catch (const std::exception& thrown) {  // down or corrupt: a miss or a loss, counted
      failures.fetch_add(1, std::memory_order_relaxed);
      breaker.failed(options.clock->now());
      give_up(connection, thrown);
      return failure(true, thrown.what());
    }
  }

  void give_up(std::unique_ptr<TierConnection>& connection, const std::exception& why) noexcept {
    file.failed(why, connection.get());  // (while it is open no other file has its number)
    connection.reset();
  }

  // Runs `work` on the applier's connection. Throws Error.
  template <class Work>
  auto apply(Work&& work) {
    const MutexLock lock(applier_mutex);
    try {
      return work(follow(applier, Connection::Use::write, TierFile::Wait::yes));
    } catch (const std::exception& thrown) {
      give_up(applier, thrown);
      throw;
    }
  }

  std::optional<SharedValue> read(TierConnection& tier, const SharedName& under, WallTime now) {
    sqlite::Run run = tier.start(sql::get, {ParameterView::bytes(under.name.view()),
                                            as_parameter(now.time_since_epoch().count())});
    if (!run.step()) return std::nullopt;
    std::optional<SharedValue> value;
    if (run.cell(kNamespace).as_view() == under.namespace_name)  // by which it would be removed
      value = options.codec->decode(under, run.cell(kValue).as_view(), options.max_entry_bytes);
    // Of what the file says beside it, the stamp decides what is removed and what replaces it.
    if (value &&
        (Epoch::parse(run.cell(kEpoch).as_view()) != value->stamp.epoch ||
         static_cast<std::uint64_t>(run.cell(kHorizon).as_int64()) != value->stamp.horizon.value))
      value.reset();
    (value ? hits : corrupt).fetch_add(1, std::memory_order_relaxed);
    return value;
  }

  void read(Reader& reader, MonotonicTime began, std::string_view namespace_name,
            std::span<TierRead> wanted) QUERYMARK_REQUIRES(reader.mutex) {
    TierConnection& tier = follow(reader, began);
    file_tier::HeldSnapshot& snapshot = tier.snapshot();
    if (snapshot.is_held() && (reader.hold.load() != Reader::Hold::held || !snapshot.is_current()))
      snapshot.end();
    const bool one_of_many = wanted.size() > 1 || began - reader.last < kSoon;
    reader.last = began;
    if (one_of_many && !snapshot.is_held()) {
      snapshot.begin();
      reader.hold.store(Reader::Hold::held);
      if (!readers.held()) snapshot.end();
    }
    const WallTime now = options.clock->wall_now();
    for (TierRead& one : wanted) one.value = read(tier, {namespace_name, one.name}, now);
  }

  struct Encoded {
    TierPut* put;
    std::string value;
    std::size_t bytes;
    StoreStatus status = StoreStatus::failed;
  };

  // What can be stored of them; of the others it says why not.
  std::vector<Encoded> encoded(std::string_view namespace_name, std::span<TierPut> values) {
    std::vector<Encoded> all;
    for (TierPut& put : values) {
      const SharedValue& value = *put.value;
      auto bytes =
          options.codec->encode({namespace_name, put.name}, value, options.max_entry_bytes);
      const std::size_t all_bytes = bytes ? entry_bytes(bytes->size(), value.targets.size()) : 0;
      if (!bytes || all_bytes > options.max_entry_bytes)
        put.status = StoreStatus::oversize;
      else if (value.expires <= options.clock->wall_now())
        put.status = StoreStatus::expired;
      else
        all.push_back({.put = &put, .value = std::move(*bytes), .bytes = all_bytes});
    }
    return all;
  }

  void write(TierConnection& tier, std::string_view namespace_name, std::span<Encoded> values) {
    ScopedTransaction transaction(tier.connection(), ScopedTransaction::Kind::write);
    for (Encoded& one : values) one.status = write(tier, namespace_name, one);
    evicted.fetch_add(tier.make_room(options.max_bytes, options.clock->wall_now()),
                      std::memory_order_relaxed);
    transaction.commit();
    for (const Encoded& one : values) one.put->status = one.status;
  }

  StoreStatus write(TierConnection& tier, std::string_view namespace_name, const Encoded& one) {
    const SharedValue& value = *one.put->value;
    const std::string epoch = value.stamp.epoch.hex();
    const ParameterView name_bytes = ParameterView::bytes(one.put->name.view());
    if (tier.number(sql::has_later,
                    {name_bytes, as_parameter(epoch), as_parameter(value.stamp.horizon.value)}) > 0)
      return StoreStatus::superseded;
    tier.execute(sql::delete_name, {name_bytes});
    const ResultSet inserted = tier.query_writing(
        sql::insert_entry, {name_bytes, as_parameter(namespace_name), as_parameter(epoch),
                            as_parameter(value.stamp.horizon.value),
                            as_parameter(static_cast<std::int64_t>(value.stamp.witness.value)),
                            as_parameter(value.expires.time_since_epoch().count()),
                            as_parameter(one.bytes), ParameterView::bytes(one.value)});
    const auto seq = inserted.row(0)["seq"].as<std::int64_t>();
    for (const Target& target : value.targets) {
      const Digest hash = target.hash();
      tier.execute(sql::insert_target, {ParameterView::bytes(hash.view()), as_parameter(seq)});
    }
    if (stored.fetch_add(1, std::memory_order_relaxed) % kCheckEvery == 0)
      tier.checked_total_bytes();
    return StoreStatus::stored;
  }

  void put_some(std::string_view namespace_name, std::span<TierPut> values) noexcept {
    try {
      std::vector<Encoded> all = encoded(namespace_name, values);
      if (all.empty()) return;
      if (!writer_turn.take(kPatience)) {
        skipped.fetch_add(all.size(), std::memory_order_relaxed);
        return;
      }
      static_cast<void>(guarded(writes_breaker, options.clock->now(), writer, [&] {
        write(follow(writer, Connection::Use::write, TierFile::Wait::no), namespace_name, all);
      }));
      writer_turn.give_up();
    } catch (const std::exception&) {  // no memory, or it can't be sealed: a loss, counted
      failures.fetch_add(1, std::memory_order_relaxed);
    }
  }

  FileTierOptions options;
  TierFile file;

  Breaker reads_breaker;
  Readers readers;

  Breaker writes_breaker;
  sqlite::Turn writer_turn;  // whoever has it may use writer
  std::unique_ptr<TierConnection> writer;

  Mutex applier_mutex;
  std::unique_ptr<TierConnection> applier QUERYMARK_GUARDED_BY(applier_mutex);

  std::atomic<std::uint64_t> reads{0}, hits{0}, corrupt{0}, failures{0}, skipped{0}, stored{0},
      evicted{0};
};

FileTier::FileTier(const std::string& path, FileTierOptions options) {
  if (options.max_entry_bytes == 0) options.max_entry_bytes = options.max_bytes / 8;
  if (!options.codec) options.codec = plain_values();
  state_ = std::make_unique<State>(path, options);
  state_->readers[0].connection =
      state_->file.open(Connection::Use::read, kOpenTimeout, TierFile::Wait::yes);
  state_->readers[0].connection->connection().set_busy_timeout(options.busy_timeout);
}

FileTier::FileTier(FileTier&&) noexcept = default;
FileTier& FileTier::operator=(FileTier&&) noexcept = default;
FileTier::~FileTier() = default;

std::string_view FileTier::label() const noexcept { return "file"; }
const std::string& FileTier::path() const noexcept { return state_->file.path(); }

std::string FileTier::id() const {
  try {
    state_->apply([](TierConnection& /*tier*/) {});
  } catch (const Error&) {
    // It is still that one which is out of reach, and what is asked of it next says why.
  }
  return state_->file.id();
}

TierLimits FileTier::limits() const noexcept {
  return {.max_value_bytes = state_->options.max_entry_bytes,
          .deadline = state_->options.busy_timeout};
}

std::optional<TierFailure> FileTier::read(std::string_view namespace_name,
                                          std::span<TierRead> wanted) noexcept {
  State& state = *state_;
  state.reads.fetch_add(wanted.size(), std::memory_order_relaxed);
  const MonotonicTime began = state.options.clock->now();
  for (std::size_t i = 0; i < Readers::kReaders; ++i) {
    const std::size_t number = (last_reader + i) % Readers::kReaders;
    Reader& reader = state.readers[number];
    if (!reader.mutex.try_lock()) {
      const std::chrono::nanoseconds since(reader.since.load(std::memory_order_relaxed));
      if (since.count() != 0 && began.time_since_epoch() - since > state.options.busy_timeout)
        break;
      continue;
    }
    const MutexLock lock(reader.mutex, std::adopt_lock);
    last_reader = number;
    reader.since.store(began.time_since_epoch().count(), std::memory_order_relaxed);
    auto failed = state.guarded(state.reads_breaker, began, reader.connection,
                                [&]() QUERYMARK_UNCHECKED {  // held, by `lock`
                                  state.read(reader, began, namespace_name, wanted);
                                });
    reader.since.store(0, std::memory_order_relaxed);
    return failed;
  }
  return state.skip("all readers are busy");
}

StoreStatus FileTier::put(std::string_view namespace_name, const Digest& name,
                          const SharedValue& value) noexcept {
  TierPut one{.name = name, .value = &value};
  state_->put_some(namespace_name, {&one, 1});
  return one.status;
}

void FileTier::put_many(std::string_view namespace_name, std::span<TierPut> values) noexcept {
  for (TierPut& one : values) one.status = StoreStatus::failed;
  for (; !values.empty(); values = values.subspan(std::min(values.size(), kTogether)))
    state_->put_some(namespace_name, values.first(std::min(values.size(), kTogether)));
}

std::size_t FileTier::remove(std::string_view namespace_name, std::span<const Digest> names) {
  return state_->apply([&](TierConnection& tier) {
    ScopedTransaction transaction(tier.connection(), ScopedTransaction::Kind::write);
    std::size_t removed = 0;
    for (const Digest& name : names)
      removed += static_cast<std::size_t>(tier.execute(
          sql::delete_named, {ParameterView::bytes(name.view()), as_parameter(namespace_name)}));
    transaction.commit();
    return removed;
  });
}

void FileTier::invalidate(std::string_view namespace_name, Epoch epoch,
                          std::span<const SharedInvalidation> invalidations) {
  const std::string epoch_hex = epoch.hex();
  state_->apply([&](TierConnection& tier) {
    ScopedTransaction transaction(tier.connection(), ScopedTransaction::Kind::write);
    for (const SharedInvalidation& invalidation : invalidations) {
      const ParameterView position = as_parameter(invalidation.position.value);
      if (invalidation.target.is_flush()) {
        tier.execute(sql::delete_namespace,
                     {as_parameter(namespace_name), as_parameter(epoch_hex), position});
        continue;
      }
      const Digest hash = invalidation.target.hash();
      tier.execute(sql::delete_target,
                   {ParameterView::bytes(hash.view()), as_parameter(namespace_name),
                    as_parameter(epoch_hex), position});
    }
    transaction.commit();
  });
}

void FileTier::check() {
  state_->apply([](TierConnection& tier) {
    ScopedTransaction transaction(tier.connection(), ScopedTransaction::Kind::write);
    // What is set to what it was already SQLite does not write.
    for (const std::int64_t more : {1, -1}) tier.execute(sql::count_bytes, {as_parameter(more)});
    transaction.commit();
  });
}

bool FileTier::names_newest() const noexcept { return !state_->options.codec->seals(); }

std::optional<SharedStamp> FileTier::newest(Epoch epoch) const {
  if (!names_newest()) return std::nullopt;
  const std::string hex = epoch.hex();
  const ResultSet found = state_->apply(
      [&](TierConnection& tier) { return tier.query(sql::newest, {as_parameter(hex)}); });
  if (found.empty()) return std::nullopt;
  const Row row = found.row(0);
  return SharedStamp{epoch, Position{row["horizon"].as<std::uint64_t>()},
                     WriteId{static_cast<std::uint64_t>(row["witness"].as<std::int64_t>())}};
}

FileTierStats FileTier::stats() const {
  State& state = *state_;
  FileTierStats stats{.reads = state.reads.load(),
                      .hits = state.hits.load(),
                      .corrupt = state.corrupt.load(),
                      .failures = state.failures.load(),
                      .skipped = state.skipped.load(),
                      .stored = state.stored.load(),
                      .evicted = state.evicted.load(),
                      .replaced = state.file.replaced()};
  try {
    state.apply([&](TierConnection& tier) {
      stats.entries = tier.number(sql::count);
      stats.bytes = tier.total_bytes();
    });
  } catch (const Error&) {
    // What is wrong the counters tell, to who looks at them just then.
    stats.entries = 0;
    stats.bytes = 0;
  }
  return stats;
}

void FileTierApplier::apply(Epoch epoch, std::span<const SharedInvalidation> invalidations) {
  no_room_ = nullptr;
  try {
    tier_->invalidate(namespace_name_, epoch, invalidations);
  } catch (const Error& failure) {
    const std::string_view code = failure.native_code();
    if (code == "SQLITE_FULL" || code == "SQLITE_IOERR_WRITE") no_room_ = std::current_exception();
    throw;
  }
}

void FileTierApplier::control(Epoch /*epoch*/) {
  if (no_room_) std::rethrow_exception(std::exchange(no_room_, nullptr));
  tier_->check();
}

}  // namespace querymark

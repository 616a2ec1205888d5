#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "property/random.hpp"
#include "querymark/key/key_encoder.hpp"
#include "querymark/read/read_machine.hpp"
#include "support/rounds.hpp"
#include "unit/read_fixture.hpp"

// Random interleavings of reads, writes and what goes wrong, through the real read path and the
// real marks, against a model of a database with overlapping transactions. Each key holds a version
// that its writes count up. The property: a read never returns a version older than the last
// invalidation of one of its targets that this process had applied before the read began.

namespace {

using namespace querymark;
using test::Choices;
using test::FakeTier;
using test::number;

// A thread that does one thing at a time when told to: flights know their leader by its thread.
class Caller {
 public:
  void run(const std::function<void()>& task) {
    std::unique_lock lock(mutex_);
    task_ = &task;
    changed_.notify_all();
    changed_.wait(lock, [&] { return task_ == nullptr; });
  }
  ~Caller() {
    thread_.request_stop();
    changed_.notify_all();
  }

 private:
  void loop(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [&] { return task_ != nullptr; })) {
      (*task_)();
      task_ = nullptr;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  const std::function<void()>* task_ = nullptr;
  std::jthread thread_{[this](const std::stop_token& stop) { loop(stop); }};
};

constexpr std::size_t kKeys = 4;
constexpr std::size_t kReaders = 3;

using Versions = std::array<std::int64_t, kKeys>;

// What a request refers to, so that it is made first.
struct VersionParts {
  KeyPrefixRef prefix;
  ReadOptions said;
};

class VersionRequest final : VersionParts, public ReadRequest {
 public:
  VersionRequest(const Source& source, std::size_t key, std::vector<Target> declared,
                 std::size_t weight)
      : VersionParts{source.prefix("version", KeyPrefix::Form::sql,
                                   "select " + std::to_string(key)),
                     {.tags = std::move(declared), .ttl = std::chrono::seconds(30)}},
        ReadRequest(KeyEncoder(*prefix).call(), said),
        weight_(weight) {}

  Loaded load(const EntryInit& /*init*/) override { throw std::logic_error("driven by hand"); }
  [[nodiscard]] EntryRef materialize(const ResultSet& rows, const EntryInit& init) const override {
    return make_entry(init, rows, weight_);
  }

 private:
  std::size_t weight_;
};

struct Tally {
  std::uint64_t reads = 0, violations = 0;
  CacheStats stats;

  void add(const CacheStats& other) {
    stats.hits += other.hits;
    stats.shared_hits += other.shared_hits;
    stats.misses += other.misses;
    stats.joined += other.joined;
    stats.bypassed += other.bypassed;
    stats.expired += other.expired;
    stats.invalidated += other.invalidated;
    stats.targets_differed += other.targets_differed;
    stats.shared_stale += other.shared_stale;
    stats.late_fills += other.late_fills;
    stats.evictions += other.evictions;
  }
};

class World {
 public:
  World(std::uint64_t seed, std::array<Caller, kReaders>& callers, bool drops_invalidations)
      : choices_(seed), callers_(callers), drops_invalidations_(drops_invalidations) {
    if (choices_.one_in(2)) {
      tier_ = std::make_shared<FakeTier>();
      source_.attach(tier_);
    }
    source_.marks().trust_until(MonotonicTime::max());
    versions_.fill(1);
    restart();
  }

  void run(int steps, Tally& tally) {
    tally_ = &tally;
    for (int i = 0; i < steps; ++i) step();
    for (std::size_t i = 0; i < kReaders; ++i) abandon(i);
    tally.add(cache_.stats());
  }

 private:
  struct Write {
    Position position;
    std::size_t key;
    std::vector<Target> intents;
    Versions versions{};  // as of its commit
  };
  struct Reading {
    std::unique_ptr<VersionRequest> request;
    std::unique_ptr<ReadMachine> machine;
    ReadMachine::Action action;
    std::size_t key = 0;
    std::int64_t floor = 0;
    std::optional<std::int64_t> selected;  // what the database answered to its load
  };

  // --- the database
  [[nodiscard]] Target own_target(std::size_t key) const { return entity("row", key); }
  [[nodiscard]] Target group_target(std::size_t key) const { return collection("half", key % 2); }
  [[nodiscard]] Target query_target(std::size_t key) {
    return key_target(VersionRequest(source_, key, {}, 0).call.view);
  }
  [[nodiscard]] Cursor cursor() const {
    std::vector<Position> running;
    for (const auto& [position, write] : running_) running.push_back({position});
    const Position next{next_};
    return {epoch_, {running.empty() ? next : running.front(), next, running}, {}};
  }
  void begin() {
    if (running_.size() >= 4) return;
    Write write{.position = {next_++}, .key = choices_.below(kKeys), .intents = {}};
    const std::array<Target, 3> possible{own_target(write.key), group_target(write.key),
                                         query_target(write.key)};
    for (const Target& target : possible)
      if (complete_intents_ || choices_.one_in(2)) write.intents.push_back(target);
    if (choices_.one_in(20)) write.intents.push_back(flush_all());
    running_.emplace(write.position.value, std::move(write));
  }
  void commit() {
    if (running_.empty()) return;
    const auto at =
        std::next(running_.begin(), static_cast<std::ptrdiff_t>(choices_.below(running_.size())));
    Write write = std::move(at->second);
    running_.erase(at);
    if (choices_.one_in(8)) return;  // rolled back
    ++versions_[write.key];
    write.versions = versions_;
    log_.push_back(write);
    if (choices_.one_in(2)) return;  // somebody else's, or the writer is slow
    std::vector<MarkUpdate> updates;
    for (const Target& target : write.intents)
      if (!dropped()) updates.push_back(MarkUpdate::of(target, write.position));
    if (choices_.one_in(4))
      source_.marks().apply_unconfirmed(updates);
    else
      source_.marks().apply_own(epoch_, updates);
    applied(write);
  }

  // --- what this process hears
  [[nodiscard]] bool dropped() { return drops_invalidations_ && choices_.one_in(2); }
  void applied(const Write& write) {
    for (const Target& target : write.intents) {
      for (std::size_t key = 0; key < kKeys; ++key) {
        const bool reaches = target.is_flush() || target == own_target(key) ||
                             target == group_target(key) || target == query_target(key);
        if (reaches) raise(key, target, write.versions[key]);
      }
    }
  }
  void raise(std::size_t key, const Target& target, std::int64_t version) {
    const auto to = [&](const Target& one) {
      std::int64_t& floor = floors_[{key, one.text()}];
      floor = std::max(floor, version);
    };
    if (!target.is_flush()) return to(target);
    for (const Target& one : {own_target(key), group_target(key), query_target(key)}) to(one);
  }
  void poll() {
    const Cursor from = source_.marks().cursor();
    const Cursor to = cursor();
    std::vector<MarkUpdate> updates;
    std::vector<const Write*> writes;
    for (const Write& write : log_) {
      if (from.snapshot.covers(write.position) || !to.snapshot.covers(write.position)) continue;
      writes.push_back(&write);
      for (const Target& target : write.intents)
        if (!dropped()) updates.push_back(MarkUpdate::of(target, write.position));
    }
    source_.marks().apply_log(updates, to);
    for (const Write* write : writes) applied(*write);
  }
  void flush_locally() {
    const MarkUpdate everything{};
    source_.marks().apply_unconfirmed({&everything, 1});
    for (std::size_t key = 0; key < kKeys; ++key) raise(key, flush_all(), versions_[key]);
  }
  void restart() {
    source_.marks().restart(cursor());
    for (std::size_t key = 0; key < kKeys; ++key) raise(key, flush_all(), versions_[key]);
  }
  // A failover: what ran is lost, positions are handed out again.
  void change_history() {
    epoch_ = {epoch_.high + 1, choices_.below(1000)};
    running_.clear();
    log_.clear();
    next_ = 50 + choices_.below(60);
    restart();
  }
  // Reads the whole log of this history. A write that told nobody is not to be learned from it, so
  // this is for runs without such writes.
  void learn_history() {
    if (!complete_intents_) return;
    std::vector<MarkUpdate> updates;
    for (const Write& write : log_)
      for (const Target& target : write.intents)
        updates.push_back(MarkUpdate::of(target, write.position));
    source_.marks().learn_history(epoch_, updates, Position{1});
  }

  // --- readers
  void start_reading(Reading& reading) {
    reading.key = choices_.below(kKeys);
    std::vector<Target> declared;
    if (!choices_.one_in(3)) declared.push_back(own_target(reading.key));
    if (!choices_.one_in(3)) declared.push_back(group_target(reading.key));
    reading.request =
        std::make_unique<VersionRequest>(source_, reading.key, declared, choices_.below(500'000));
    reading.floor = floors_[{reading.key, query_target(reading.key).text()}];
    std::vector<TargetId> required;
    for (const Target& target : declared) {
      reading.floor = std::max(reading.floor, floors_[{reading.key, target.text()}]);
      required.push_back(target.id());
    }
    ReadResult found;
    const VersionRequest& request = *reading.request;
    if (source_.find({.call = request.call, .options = request.options, .required = required},
                     found))
      return finish(reading, found.entry);
    reading.machine = std::make_unique<ReadMachine>(source_, *reading.request);
    go_on(reading, [&] { return reading.machine->start(); });
  }
  template <class Step>
  void go_on(Reading& reading, Step&& step) {
    reading.action = step();
    if (std::holds_alternative<ReadMachine::Done>(reading.action))
      finish(reading, reading.machine->take_result().entry);
  }
  void step_reading(Reading& reading) {
    ReadMachine& machine = *reading.machine;
    if (auto* await = std::get_if<ReadMachine::Await>(&reading.action)) {
      std::optional<FlightResult> result = await->waiter->take(nullptr);
      if (!result) return;
      if (std::holds_alternative<std::exception_ptr>(*result)) return drop(reading);
      go_on(reading, [&] { return machine.resume(std::move(*result)); });
    } else if (auto* poll = std::get_if<ReadMachine::PollTier>(&reading.action)) {
      auto value = poll->tier->get("shop", poll->name);
      go_on(reading, [&] { return machine.resume(std::move(value)); });
    } else if (auto* load = std::get_if<ReadMachine::Load>(&reading.action)) {
      if (!reading.selected) {  // the database answers; the answer is still on its way
        reading.selected = versions_[reading.key];
        return;
      }
      if (choices_.one_in(12)) {
        (void)machine.fail(std::make_exception_ptr(std::runtime_error("cut off")));
        return drop(reading);
      }
      ResultSet rows = number(*std::exchange(reading.selected, std::nullopt));
      EntryRef entry = reading.request->materialize(rows, load->init);
      Loaded loaded{std::move(entry), std::move(rows), std::nullopt, Stored::yes};
      go_on(reading, [&] { return machine.resume(std::move(loaded)); });
    } else if (auto* store = std::get_if<ReadMachine::StoreShared>(&reading.action)) {
      if (!choices_.one_in(6)) store->tier->put("shop", store->name, *store->value);
      filed_.emplace_back(store->name, *store->value);
      go_on(reading, [&] { return machine.resume_stored(); });
    }
  }
  void finish(Reading& reading, const EntryRef& entry) {
    ++tally_->reads;
    const auto version = entry.value<ResultSet>()[0][0].as<std::int64_t>();
    if (version < reading.floor) ++tally_->violations;
    drop(reading);
  }
  static void drop(Reading& reading) {
    reading.machine.reset();
    reading.request.reset();
    reading.selected.reset();
  }
  // Whoever reads dies: its machine goes, and a waiter takes over.
  void abandon(std::size_t reader) {
    callers_[reader].run([&] { drop(readings_[reader]); });
  }

  void step() {
    const std::size_t reader = choices_.below(kReaders);
    Reading& reading = readings_[reader];
    switch (choices_.below(24)) {
      case 0:
        return begin();
      case 1:
        return commit();
      case 2:
      case 3:
        return poll();
      case 4:
        source_.marks().trust_until(MonotonicTime::max());
        return cache_.set_enabled(true);
      case 5:
        if (choices_.one_in(10)) cache_.set_enabled(false);
        return;
      case 6:
        if (choices_.one_in(8)) flush_locally();
        return;
      case 7:
        if (choices_.one_in(10)) restart();
        return;
      case 8:
        if (choices_.one_in(20)) change_history();
        return;
      case 9:
        clock_.advance(std::chrono::milliseconds(choices_.below(8000)));
        return;
      case 10:
        if (choices_.one_in(4)) (void)cache_.purge();
        return;
      case 11:
        if (choices_.one_in(6)) abandon(reader);
        return;
      case 12:
        if (tier_ && !filed_.empty()) {  // a slow filler puts an old value back
          const auto& [name, value] = filed_[choices_.below(filed_.size())];
          tier_->put("shop", name, value);
        }
        return;
      case 13:
        if (choices_.one_in(10)) source_.marks().trust_until(clock_.now());
        return;
      case 14:
        if (choices_.one_in(10)) learn_history();
        return;
      default:
        callers_[reader].run(
            [&] { reading.machine ? step_reading(reading) : start_reading(reading); });
    }
  }

  Choices choices_;
  std::array<Caller, kReaders>& callers_;
  bool drops_invalidations_;
  ManualClock clock_;
  Cache cache_{{.name = "freshness", .memory_bytes = 1U << 20U, .clock = &clock_}};
  Source source_{cache_,
                 {.scope = {.namespace_name = "shop", .database = {}, .session = {}, .caller = {}},
                  .mark_cells = 4096}};
  std::shared_ptr<FakeTier> tier_;
  std::vector<std::pair<Digest, SharedValue>> filed_;

  const bool complete_intents_ = choices_.one_in(2);
  Epoch epoch_{1, 1};
  std::uint64_t next_ = 100;
  std::map<std::uint64_t, Write> running_;
  std::deque<Write> log_;
  Versions versions_{};
  std::map<std::pair<std::size_t, std::string>, std::int64_t> floors_;
  std::array<Reading, kReaders> readings_;
  Tally* tally_ = nullptr;
};

}  // namespace

TEST_CASE("freshness: no interleaving returns what an applied invalidation has killed",
          "[freshness]") {
  std::array<Caller, kReaders> callers;
  Tally tally;
  const std::uint64_t first = Choices::first_seed();
  for (std::uint64_t seed = first; seed < first + 300; ++seed) {
    World(seed, callers, false).run(600, tally);
    INFO("QUERYMARK_SEED=" << seed);
    REQUIRE(tally.violations == 0);
  }
  // Every path was taken, or the test would prove less than it says.
  CHECK(tally.reads > 10'000);
  CHECK(tally.stats.hits > 1000);
  CHECK(tally.stats.shared_hits > 100);
  CHECK(tally.stats.shared_stale > 100);
  CHECK(tally.stats.joined > 100);
  CHECK(tally.stats.late_fills > 100);
  CHECK(tally.stats.invalidated > 100);
  CHECK(tally.stats.targets_differed > 100);
  CHECK(tally.stats.bypassed > 100);
  CHECK(tally.stats.expired > 10);
  CHECK(tally.stats.evictions > 10);
}

TEST_CASE("freshness: the same test notices when invalidations are dropped", "[freshness]") {
  std::array<Caller, kReaders> callers;
  Tally tally;
  const std::uint64_t first = Choices::first_seed();
  for (std::uint64_t seed = first; seed < first + 100; ++seed)
    World(seed, callers, true).run(600, tally);
  INFO("QUERYMARK_SEED=" << first);
  CHECK(tally.violations > 0);
}

TEST_CASE("freshness: readers and writers on real threads agree", "[freshness]") {
  constexpr std::size_t kWriters = 2;
  constexpr int kWrites = test::rounds(3000);
  Cache cache({.name = "threads", .memory_bytes = 2U << 20U});
  // Each key's version is written first and invalidated next; `applied` follows.
  std::array<std::atomic<std::int64_t>, kKeys> versions{};
  std::array<std::atomic<std::int64_t>, kKeys> applied{};
  std::atomic<std::size_t> writing{kWriters};
  std::atomic<std::uint64_t> violations{0};
  std::atomic<std::uint64_t> reads{0};
  {
    std::vector<std::jthread> threads;
    for (std::size_t w = 0; w < kWriters; ++w) {
      threads.emplace_back([&, w] {
        for (int i = 0; i < kWrites || reads.load() < 2000; ++i) {
          const std::size_t key = (static_cast<std::size_t>(i) * kWriters + w) % kKeys;
          const std::int64_t version = versions[key].fetch_add(1) + 1;
          cache.invalidate(entity("row", key));
          std::int64_t seen = applied[key].load();
          while (seen < version && !applied[key].compare_exchange_weak(seen, version)) {
          }
        }
        writing.fetch_sub(1);
      });
    }
    for (std::size_t r = 0; r < kReaders; ++r) {
      threads.emplace_back([&, r] {
        for (std::size_t i = r; writing.load() > 0; ++i) {
          const std::size_t key = i % kKeys;
          const std::int64_t floor = applied[key].load();
          const ReadOptions options{.tags = {entity("row", key)}};
          const Cached<std::int64_t> value = cache.get_or_load<std::int64_t>(
              "row " + std::to_string(key), options, [&] { return versions[key].load(); });
          if (*value < floor) violations.fetch_add(1);
          reads.fetch_add(1);
        }
      });
    }
  }
  CHECK(violations == 0);
  const CacheStats stats = cache.stats();
  CHECK(stats.hits + stats.misses + stats.joined > 0);
}

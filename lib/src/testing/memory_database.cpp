#include "querymark/testing/memory_database.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "querymark/database/backend.hpp"
#include "querymark/support/ascii.hpp"
#include "querymark/support/random.hpp"

namespace querymark::testing {
namespace {

std::string unknown(std::string_view sql, const char* how) {
  return "testing::MemoryDatabase was not told about \"" + std::string(sql) + "\": call " + how;
}

/// Answers by SQL text. Thread-safe; runs them unlocked.
template <class Answer>
class Answers {
 public:
  void set(std::string sql, Answer answer) {
    const std::lock_guard lock(mutex_);
    by_text_.insert_or_assign(std::move(sql), std::move(answer));
  }
  void set_other(Answer answer) {
    const std::lock_guard lock(mutex_);
    other_ = std::move(answer);
  }
  [[nodiscard]] auto operator()(const Call& call, const char* how) const {
    Answer answer = find(call.sql());
    if (!answer) throw ConfigError(unknown(call.sql(), how));
    return answer(call);
  }

 private:
  [[nodiscard]] Answer find(std::string_view sql) const {
    const std::lock_guard lock(mutex_);
    const auto found = by_text_.find(sql);
    return found != by_text_.end() ? found->second : other_;
  }

  mutable std::mutex mutex_;
  std::map<std::string, Answer, std::less<>> by_text_;
  Answer other_;
};

/// The log, as long as it can be reached.
class Reach final : public LogReader, public Coverage {
 public:
  explicit Reach(std::string namespace_name) : log(std::move(namespace_name)) {}

  void require() const {
    if (!reachable.load())
      throw Error("the database can't be reached (testing::MemoryDatabase::set_reachable)",
                  {.retryable = true, .connection_lost = true});
  }
  [[nodiscard]] Cursor now() override { return require(), log.now(); }
  [[nodiscard]] TailPage read(const TailRequest& request) override {
    return require(), log.read(request);
  }
  [[nodiscard]] Cursor retained() override { return require(), log.retained(); }
  [[nodiscard]] bool holds(const Receipt& receipt) override {
    return require(), log.holds(receipt);
  }
  [[nodiscard]] bool refutes(const Receipt& receipt) override {
    return require(), log.refutes(receipt);
  }
  [[nodiscard]] LogCoverage coverage(Position first, Position last) override {
    return require(), log.coverage(first, last);
  }

  MemoryOutbox log;
  std::atomic<bool> reachable{true};
};

/// Nobody sleeps in it.
class NoDoorbell final : public Doorbell {
 public:
  void wait(std::chrono::nanoseconds /*timeout*/) override {}
  void interrupt() override {}
};

}  // namespace

/// What all processes share.
struct MemoryDatabase::World {
  explicit World(const std::string& namespace_name) : reach(namespace_name) {}

  const std::string id = Epoch::random().hex();  // two databases never share what tiers hold

  Answers<Answer> queries;
  Answers<Change> changes;
  Reach reach;
  std::atomic<std::uint64_t> loads{0};
  std::mutex writing;  // whoever writes
  std::atomic<std::thread::id> writer{};
  std::mutex mutex;  // guards what follows
  std::vector<std::string> executed;
  std::optional<bool> lost;  // the next commit's answer, and whether it takes effect
};

struct MemoryDatabase::State final : Backend {
  State(Cache& cache, std::shared_ptr<World> of, const MemoryOptions& options)
      : world(std::move(of)),
        core_(cache, world->reach, world->reach, nullptr, doorbell,
              {.source = {.scope = {options.namespace_name, world->id, {}, {}},
                          .default_ttl = options.default_ttl,
                          .lagging = options.lagging,
                          .mark_cells = options.mark_cells,
                          .load_budget = options.load_budget},
               .subscriber = {.max_lag = options.max_lag, .clock = &cache.clock()},
               .require_intents = options.require_intents}) {
    core_.subscriber.begin();
  }

  [[nodiscard]] DatabaseCore& core() noexcept override { return core_; }
  [[nodiscard]] std::unique_ptr<WriteSession> begin_write(const SessionSettings& settings) override;
  [[nodiscard]] std::unique_ptr<ReadSession> begin_read(const SessionSettings& settings) override;
  [[nodiscard]] WriteFate resolve(const Receipt& receipt) override;
  [[nodiscard]] SessionSettings checked_settings(const SessionSettings& settings) const override {
    return settings;
  }
  [[nodiscard]] LoadedRows load(std::string_view sql,
                                std::span<const ParameterView> parameters) override {
    return load_with({}, sql, parameters);
  }
  [[nodiscard]] LoadedRows load_with(const SessionSettings& settings, std::string_view sql,
                                     std::span<const ParameterView> parameters) override {
    world->reach.require();
    world->loads.fetch_add(1);
    return {world->queries(Call(sql, parameters, settings, nullptr), "on_query"), std::nullopt,
            Stored::yes};
  }

  std::shared_ptr<World> world;
  NoDoorbell doorbell;
  DatabaseCore core_;
};

/// One write, and its transaction.
class MemoryDatabase::Write final : public WriteSession, public Transaction {
 public:
  Write(State& state, SessionSettings settings)
      : WriteSession(state.core_),
        Transaction(intents_),
        state_(state),
        settings_(std::move(settings)) {
    World& world = *state.world;
    if (world.writer.load() == std::this_thread::get_id())
      throw ConfigError("write() inside write(): use the transaction that is open");
    turn_ = std::unique_lock(world.writing);
    world.writer.store(std::this_thread::get_id());
    world.reach.require();
    begun(*this, settings_, true);
  }
  Write(const Write&) = delete;
  Write& operator=(const Write&) = delete;
  ~Write() override {
    for (auto& undo : std::views::reverse(undo_)) undo();
    give_up();
  }

  [[nodiscard]] Transaction& transaction() noexcept override { return *this; }

 private:
  void require_standing() override { state_.world->reach.require(); }
  PendingWrite commit_intents() override;
  void settled(const PendingWrite& /*write*/) noexcept override { give_up(); }

  std::int64_t execute_values(std::string_view sql,
                              std::span<const ParameterView> values) override {
    state_.world->reach.require();
    const std::int64_t changed =
        state_.world->changes(Call(sql, values, settings_, &undo_), "on_execute");
    executed_.emplace_back(sql);
    return changed;
  }
  ResultSet query_values(std::string_view sql, std::span<const ParameterView> values) override {
    state_.world->reach.require();
    return state_.world->queries(Call(sql, values, settings_, &undo_), "on_query");
  }

  [[nodiscard]] bool only_reads(std::string_view sql) const override {
    return ascii::to_lower(sql).starts_with("select");
  }

  void commit(PendingWrite& pending);
  void give_up() noexcept {
    if (!turn_.owns_lock()) return;
    state_.world->writer.store({});
    turn_.unlock();
  }

  State& state_;
  const SessionSettings settings_;
  IntentBatch intents_;
  std::unique_lock<std::mutex> turn_;
  std::vector<std::string> executed_;
  std::vector<Call::Undo> undo_;
};

/// One read transaction: its answers are the test's.
class MemoryDatabase::Read final : public ReadSession, public ReadTransaction {
 public:
  Read(State& state, SessionSettings settings) : state_(state), settings_(std::move(settings)) {
    state.world->reach.require();
    begins(state.core_.origin(settings_, false));
  }
  [[nodiscard]] ReadTransaction& transaction() noexcept override { return *this; }

 private:
  ResultSet query_values(std::string_view sql, std::span<const ParameterView> values) override {
    return state_.load_with(settings_, sql, values).rows;
  }

  State& state_;
  const SessionSettings settings_;
};

std::unique_ptr<ReadSession> MemoryDatabase::State::begin_read(const SessionSettings& settings) {
  return std::make_unique<Read>(*this, settings);
}

void MemoryDatabase::Write::commit(PendingWrite& pending) {
  World& world = *state_.world;
  pending.receipt = world.reach.log.append(intents_);
  const std::uint64_t first = pending.receipt.position.value + 1 - intents_.size();
  std::uint64_t at = first;
  for (const Target& target : intents_.targets()) {
    const Position position{at++};
    pending.updates.push_back(
        {target.is_flush() ? std::nullopt : std::optional(target.id()), position});
  }
  const std::lock_guard lock(world.mutex);
  world.executed.insert(world.executed.end(), executed_.begin(), executed_.end());
  undo_.clear();
}

PendingWrite MemoryDatabase::Write::commit_intents() {
  World& world = *state_.world;
  std::optional<bool> lost;
  {
    const std::lock_guard lock(world.mutex);
    lost = std::exchange(world.lost, std::nullopt);
  }
  PendingWrite pending = begin_pending(core().namespace_name(), world.reach.log.now().epoch);
  if (lost.value_or(true)) {
    commit(pending);
  } else {  // the places that its rows would have had
    Position at = world.reach.log.now().snapshot.limit();
    for (const Target& target : intents_.targets()) pending.add(target, {at.value++});
  }
  if (lost)
    in_doubt(pending, "the answer to the commit was lost (lose_next_commit); ask resolve()", {});
  return pending;
}

std::unique_ptr<WriteSession> MemoryDatabase::State::begin_write(const SessionSettings& settings) {
  return std::make_unique<Write>(*this, settings);
}

WriteFate MemoryDatabase::State::resolve(const Receipt& receipt) {
  world->reach.require();
  MemoryOutbox& log = world->reach.log;
  const Cursor retained = log.retained();
  if (receipt.epoch != retained.epoch || receipt.intents == 0) return WriteFate::unknown;
  if (log.holds(receipt)) return WriteFate::committed;
  return receipt.position < retained.snapshot.limit() ? WriteFate::unknown : WriteFate::rolled_back;
}

MemoryDatabase::MemoryDatabase(Cache& cache, const MemoryOptions& options)
    : Database(std::make_unique<State>(cache, std::make_shared<World>(options.namespace_name),
                                       options)) {}

MemoryDatabase::MemoryDatabase(Cache& cache, const MemoryDatabase& other,
                               const MemoryOptions& options)
    : Database(
          std::make_unique<State>(cache, static_cast<State&>(other.backend()).world, options)) {}

MemoryDatabase::~MemoryDatabase() = default;

MemoryDatabase::World& MemoryDatabase::world() const noexcept {
  return *static_cast<State&>(backend()).world;
}

void MemoryDatabase::on_query(std::string sql, Answer answer) {
  world().queries.set(std::move(sql), std::move(answer));
}

void MemoryDatabase::on_query(std::string sql, const Table& table) {
  world().queries.set(std::move(sql), [rows = table.rows()](const Call&) { return rows; });
}

void MemoryDatabase::on_other_queries(Answer answer) {
  world().queries.set_other(std::move(answer));
}

void MemoryDatabase::on_execute(std::string sql, Change change) {
  world().changes.set(std::move(sql), std::move(change));
}

void MemoryDatabase::on_other_statements(Change change) {
  world().changes.set_other(std::move(change));
}

std::uint64_t MemoryDatabase::loads() const { return world().loads.load(); }

std::vector<std::string> MemoryDatabase::executed() const {
  const std::lock_guard lock(world().mutex);
  return world().executed;
}

void MemoryDatabase::set_reachable(bool reachable) { world().reach.reachable.store(reachable); }

void MemoryDatabase::lose_next_commit(bool takes_effect) {
  const std::lock_guard lock(world().mutex);
  world().lost = takes_effect;
}

MemoryOutbox& MemoryDatabase::log() noexcept { return world().reach.log; }

}  // namespace querymark::testing

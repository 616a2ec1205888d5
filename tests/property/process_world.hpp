#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "property/model_process.hpp"
#include "property/process_users.hpp"
#include "property/random.hpp"
#include "querymark/tier/tier_group.hpp"

// The world that processes share: a database with replicas, tiers, clocks, and what becomes of them.

namespace querymark::test {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

// Whether writes forget what they make stale, now and then: that has to be found.
struct Mutant {
  bool forgets = false;
};

struct Tally {
  std::uint64_t wrong = 0;
  std::string rule;  // that was broken last
  std::map<ReadStatus, std::uint64_t> served;
  std::uint64_t shared = 0, many = 0, replica = 0, demanded = 0, own = 0, epochs = 0, users = 0,
                absent = 0, everywhere = 0, reaped = 0, doubts = 0, defined = 0, automatic = 0;

  void require(bool right, const char* broken) {
    if (right) return;
    ++wrong;
    rule = broken;
  }
};

/// What became of a write, which who has its receipt need not know: a commit whose answer was lost may take
/// effect later, or never.
struct Fate {
  bool committed = false;
  Versions written;
  std::vector<User*> users;  // whose write it is
};
struct Told {
  Receipt receipt;
  std::shared_ptr<Fate> fate = std::make_shared<Fate>();
};

inline Target group_target(std::size_t key) { return collection("half", key % 2); }

/// Some processes over one database and the same shared tiers. Who derives from it reads.
class ProcessWorld {
 public:
  static constexpr std::size_t kProcesses = 3;

  ProcessWorld(std::uint64_t seed, Mutant mutant, Tally& tally)
      : choices_(seed), tally_(tally), mutant_(mutant) {
    database_.interlude = subscribers_.interlude = [this] { interlude(); };
    for (int i = 0; i < 3; ++i)
      tiers_.push_back(choices_.one_in(2) ? std::make_shared<LeasingTier>(clock_)
                                          : std::make_shared<FakeTier>());
    committed_.begin(database_.epoch(), {});
    committed_.note(clock_.now(), {});
    for (auto& process : processes_) open(process);
  }
  ProcessWorld(const ProcessWorld&) = delete;
  ProcessWorld& operator=(const ProcessWorld&) = delete;
  virtual ~ProcessWorld() { tally_.reaped += subscribers_.reaped; }

  void run(std::size_t steps) {
    for (std::size_t i = 0; i < steps; ++i) step();
  }

 protected:
  /// A read goes on, or begins: one, or many together.
  virtual void read(Process& process, bool many) = 0;

  [[nodiscard]] static VersionRequest request(Process& process, std::size_t key,
                                              const ReadOptions& said) {
    return {process.source, process, key, said};
  }

  /// Somebody who has no request running here or elsewhere.
  User* somebody() {
    User& user = users_[choices_.below(users_.size())];
    return user.free() ? &user : nullptr;
  }
  UserSession& session_of(User& user, const Process& process) {
    return user.in(*opened(process), choices_.one_in(2));
  }

  // Inside of others' steps.
  void interlude() {
    if (depth_ >= 3 || !choices_.one_in(4)) return;
    ++depth_;
    for (std::size_t i = 1 + choices_.below(3); i > 0; --i) step();
    --depth_;
  }

  Choices choices_;
  Tally& tally_;
  ManualClock clock_;
  // How this world is.
  const std::size_t keys_ = 1 + choices_.below(ModelDatabase::kKeys);
  const std::chrono::seconds max_lag_{choices_.one_in(2) ? 6 : 1};
  const std::size_t pace_ = choices_.one_in(2) ? 80 : 12;            // milliseconds a step, at most
  const std::size_t calm_ = std::size_t{1} << choices_.below(6);     // one write in so many
  const std::size_t outages_ = std::size_t{1} << choices_.below(5);  // how long they last
  const bool automatic_ = choices_.one_in(2);              // triggers report what is written
  const bool defines_ = automatic_ && choices_.one_in(2);  // and definitions change
  const std::size_t loses_ = choices_.one_in(4) ? 2 : 8;   // one answer to a commit in so many
  const bool skews_ = choices_.one_in(3);                  // wall clocks are set
  const bool gaps_ = choices_.one_in(2);                   // of some versions there is no row
  const bool replicas_ = !choices_.one_in(4);              // answer loads, too
  const int arrangement_ = static_cast<int>(choices_.below(5));  // of the tiers

  ModelDefinitions definitions_;
  ModelDatabase database_;
  ModelSubscribers subscribers_;
  // As waits for the whole cluster have told whoever follows the history of that epoch: who has yet to hear of
  // it nobody knows.
  std::map<std::uint64_t, Versions> everywhere_;
  CommittedVersions committed_;
  std::deque<Told> receipts_;
  std::deque<std::pair<Cursor, Versions>> photographs_;  // of the database
  std::deque<std::pair<Digest, SharedValue>> filed_;     // in tiers
  SilentWaker waker_;                                    // that reads are given: it outlives them

 private:
  std::unique_ptr<ProcessDatabase>& opened(const Process& process) {
    return *std::ranges::find(processes_, &process,
                              [](const auto& each) { return &each->process; });
  }
  void open(std::unique_ptr<ProcessDatabase>& opened) {
    for (User& user : users_) user.leave(opened.get());
    opened.reset();
    ProcessOptions with{.lives = Lives(choices_)};
    SourceOptions& options = with.source;
    options.scope.namespace_name = "shop";
    options.scope.database = "db";
    options.lagging = choices_.one_in(3) ? Lagging::serve_degraded : Lagging::bypass;
    options.mark_cells = choices_.one_in(2) ? 64 : 4096;
    if (choices_.one_in(3))
      options.load_budget = {.loads = 1 + choices_.below(2), .queue = choices_.below(3)};
    SubscriberOptions& follow = with.subscriber;
    follow = {.max_lag = max_lag_, .clock = &clock_};
    if (choices_.one_in(2)) follow.page_size = 1 + choices_.below(3);
    if (choices_.one_in(3)) follow.jump_after = 1 + choices_.below(6);
    with.replica = replicas_;
    with.analyser = &definitions_;
    opened = std::make_unique<ProcessDatabase>(
        std::make_unique<Process>(database_, subscribers_, clock_, with));
    Process& process = opened->process;
    const auto group = [&](std::ptrdiff_t from) {
      return std::make_shared<TierGroup>(
          "group",
          TierGroupOptions{.reads = TierReads::sequential, .writes = TierWrites::sequential},
          std::vector<std::shared_ptr<SharedTier>>(tiers_.begin() + from, tiers_.end()));
    };
    StampProof* const proof = choices_.one_in(4) ? nullptr : &process;
    if (arrangement_ == 1 || arrangement_ == 2 || arrangement_ == 4)
      process.source.attach(tiers_[0], proof);
    if (arrangement_ == 2) process.source.attach(tiers_[1], proof);
    if (arrangement_ >= 3) process.source.attach(group(arrangement_ - 3), proof);
  }
  void begin(Process& process) {
    if (process.begun || process.polls) return;
    try {
      const Polls polls(process);
      process.subscriber.begin();
      process.begun = true;
      if (choices_.one_in(2)) process.subscriber.read_history();
    } catch (const Error&) {
      return;  // the log is not reached: later
    }
  }

  // --- the database
  std::vector<std::size_t> some_keys() {
    std::vector<std::size_t> keys{choices_.below(keys_)};
    if (keys_ > 1 && choices_.one_in(4)) keys.push_back((keys[0] + 1) % keys_);
    return keys;
  }
  std::optional<Target> told(std::size_t key) {
    switch (choices_.below(12)) {
      case 0:
      case 1:
        return group_target(key);
      case 2:
      case 3:
        return key_target(request(processes_[0]->process, key, {}).call.view);
      case 4:
        if (choices_.one_in(10)) return std::nullopt;  // malformed
        if (choices_.one_in(4)) return flush_all();
        break;
      default:
        break;
    }
    return ModelDatabase::target(key);
  }
  Position begin_write() {
    const std::vector<std::size_t> keys = some_keys();
    std::vector<std::optional<Target>> rows;
    for (const std::size_t key : keys) {
      if (mutant_.forgets && choices_.one_in(4)) continue;
      rows.push_back(told(key));
      if (choices_.one_in(8)) rows.push_back(told(key));
    }
    if (automatic_ && !(mutant_.forgets && choices_.one_in(4)))
      for (const std::size_t key : keys) rows.push_back(any_row_of(definitions_.table(key)));
    return database_.begin(keys, rows);
  }
  void photograph() {
    photographs_.emplace_back(database_.now(), database_.versions);
    if (photographs_.size() > 6) photographs_.pop_front();
  }
  // A view, for instance, is replaced: nobody writes what it reads meanwhile.
  void define() {
    const std::size_t key = choices_.below(keys_);
    for (const auto& [position, write] : database_.running())
      if (std::ranges::find(write.keys, key) != write.keys.end()) return;
    if (choices_.one_in(2)) photograph();  // what a replica is behind by
    const Position position = database_.begin({key}, {schema_of_all(), ModelDatabase::target(key)});
    definitions_.change(key);
    commit(position);
    ++tally_.defined;
  }
  Versions commit(Position position) {
    const std::vector<std::size_t> keys = database_.running().at(position).keys;
    database_.commit(position);
    Versions written;
    for (const std::size_t key : keys) written[key] = database_.versions[key];
    committed_.add(database_.epoch(), position, written);
    committed_.note(clock_.now(), database_.versions);
    for (const Told& told : receipts_) {  // it was in doubt
      if (told.receipt.position != position || told.receipt.epoch != database_.epoch()) continue;
      told.fate->committed = true;
      told.fate->written = written;
      for (User* const user : told.fate->users) raise(user->written, written);
    }
    Told& told = tell({"shop", database_.epoch(), position, {position.value}, 1, false});
    told.fate->committed = true;
    told.fate->written = written;
    return written;
  }
  Told& tell(Receipt receipt) {
    receipts_.push_back({.receipt = std::move(receipt)});
    if (receipts_.size() > 16) receipts_.pop_front();
    return receipts_.back();
  }
  void commit_others() {
    const auto& running = database_.running();
    if (running.empty()) return;
    const auto at =
        std::next(running.begin(), static_cast<std::ptrdiff_t>(choices_.below(running.size())));
    if (own_.contains(at->first)) return;
    if (choices_.one_in(10)) return database_.roll_back(at->first);
    commit(at->first);
  }
  // As adapters do it: what triggers put into the log the caller does not know, but it is counted.
  void write(Process& process) {
    const Busy busy(process);
    const Epoch epoch = database_.epoch();
    // Its connection proves that.
    if (process.source.marks().cursor().epoch != epoch || own_.size() > 2) return;
    const Position position = begin_write();
    own_.insert(position);
    interlude();
    own_.erase(position);
    if (!database_.running().contains(position) || database_.epoch() != epoch) return;
    const auto rows = database_.running().at(position).rows;
    const bool triggers = !rows.empty() && !process.polls && choices_.one_in(4);
    PendingWrite pending = begin_pending("shop", epoch, {position.value});
    for (std::size_t i = 0; i < rows.size() - (triggers ? 1 : 0); ++i) {
      if (rows[i] && is_tracked_text(rows[i]->text())) continue;
      pending.updates.push_back(rows[i] ? MarkUpdate::of(*rows[i], position)
                                        : MarkUpdate::everything(position));
    }
    pending.receipt.position = position;
    pending.receipt.intents = 1;
    pending.rows = rows.size() + (triggers ? choices_.below(2) : 0);
    if (choices_.one_in(loses_)) return doubt(process, pending);
    const Versions written = commit(position);
    if (User* const user = remember(process, pending.receipt)) raise(user->written, written);
    process.own.apply(pending);
    interlude();
    if (process.polls) {
      if (!process.source.marks().includes(epoch, position)) return;
    } else {
      const Polls polls(process);
      process.own.follow(pending);
    }
    raise(process.owed, written);
    ++tally_.own;
  }

  void begin_change() {
    if (defines_ && choices_.one_in(4))
      define();
    else if (database_.running().size() < 4)
      begin_write();
  }

  // The answer to its commit is lost: it may take effect yet, or has.
  void doubt(Process& process, PendingWrite& pending) {
    pending.receipt.in_doubt = true;
    Told& told = tell(pending.receipt);
    if (User* const user = remember(process, pending.receipt)) told.fate->users.push_back(user);
    if (database_.running().size() > 6 || choices_.one_in(2)) commit(pending.receipt.position);
    process.own.doubt(pending);
    ++tally_.doubts;
  }

  // A user's write, whether the session made it, or is told of it later. Null: nobody's.
  User* remember(const Process& process, const Receipt& receipt) {
    User* const user = choices_.one_in(2) ? somebody() : nullptr;
    if (user == nullptr) return nullptr;
    session_of(*user, process).remember(receipt);
    user->keep();
    return user;
  }

  // What was in doubt nobody can look for any more.
  void damage_text() {
    User* const user = somebody();
    if (user == nullptr) return;
    user->damage_text(choices_);
    for (const Told& told : receipts_)
      if (!told.fate->committed) std::erase(told.fate->users, user);
  }

  // --- what happens
  void step() {
    clock_.advance(std::chrono::milliseconds(choices_.below(pace_)));
    Process& process = processes_[choices_.below(kProcesses)]->process;
    begin(process);
    const std::size_t what = choices_.below(64);
    if (what < 5) {
      if (choices_.one_in(calm_)) begin_change();
    } else if (what < 11) {
      commit_others();
    } else if (what == 11) {
      photograph();
    } else if (what == 12) {
      disturb(*tiers_[choices_.below(tiers_.size())]);
    } else if (what == 13) {
      trouble(process);
    } else if (what == 14 && choices_.one_in(4)) {
      damage_text();
    } else if (what == 14 && !receipts_.empty()) {
      const Told told = receipts_[choices_.below(receipts_.size())];
      User* const user = remember(process, *Receipt::parse(told.receipt.str()));
      if (user != nullptr) raise(user->written, told.fate->written);
      if (user != nullptr && !told.fate->committed) told.fate->users.push_back(user);
    } else if (what == 15) {
      if (!process.asks && !receipts_.empty()) wait_for_all(process);
    } else if (process.begun) {
      if (what < 20) {
        if (choices_.one_in(calm_)) write(process);
      } else if (what < 24) {
        if (!process.polls) look(process);
      } else if (what < 26) {
        if (!process.polls && !receipts_.empty()) wait(process);
      } else {
        read(process, what < 28);
      }
    }
    for (auto& each : processes_) note_restart(each->process);
  }
  void note_restart(Process& process) {
    const Marks& marks = process.source.marks();
    if (marks.restarts() == process.restarts) return;
    process.restarts = marks.restarts();
    process.restarted = committed_.included(marks);
  }
  void look(Process& process) {
    const Versions before = database_.versions;
    const Polls polls(process);
    try {
      process.subscriber.catch_up();
      raise(process.owed, before);
    } catch (const Error&) {
      return;  // what was not answered promises nothing
    }
  }
  void wait(Process& process) {
    const Told told = receipts_[choices_.below(receipts_.size())];
    const Polls polls(process);
    try {
      const Receipt receipt = *Receipt::parse(told.receipt.str());
      if (process.subscriber.wait(receipt, Wait::local(0ms)).satisfied()) {
        tally_.require(told.fate->committed, "what was waited for is committed");
        raise(process.owed, told.fate->written);
      }
    } catch (const Error&) {
      return;
    }
  }
  void wait_for_all(Process& process) {
    const Busy busy(process);
    process.asks = true;
    const bool newest = choices_.one_in(2);
    if (newest) {  // until all have told that they have it, or all but one
      commit_others();
      const std::size_t silent = choices_.below(kProcesses + 1);
      for (std::size_t i = 0; i < 2 * kProcesses; ++i) {  // a heartbeat says where a look began
        if (i % kProcesses == 0) clock_.advance(i * 600ms);
        Process& other = processes_[i % kProcesses]->process;
        if (i % kProcesses != silent && other.begun && !other.polls) look(other);
      }
    }
    const auto [receipt, fate] =
        receipts_[newest ? receipts_.size() - 1 : choices_.below(receipts_.size())];
    try {
      if (opened(process)->wait(receipt, Wait::cluster(0ms)).satisfied()) {
        tally_.require(fate->committed, "what is everywhere is committed");
        raise(everywhere_[receipt.epoch.high], fate->written);
        ++tally_.everywhere;
      }
    } catch (const Error&) {  // nobody answered
    }
    process.asks = false;
  }
  void disturb(FakeTier& tier) {
    switch (choices_.below(6)) {
      case 0:
        return tier.values.clear();
      case 1:
        dump_ = tier.values;
        return;
      case 2:
      case 3:
        if (dump_) tier.values = *dump_;
        return;
      case 4:
        if (skews_) clock_.skew_wall(std::chrono::milliseconds(choices_.below(4000)) - 2s);
        return;
      default:
        if (!filed_.empty()) {  // a slow filler puts an old value back
          const auto& [name, value] = filed_[choices_.below(filed_.size())];
          tier.put("shop", name, value);
        }
    }
  }
  void trouble(Process& process) {
    switch (choices_.below(9)) {
      case 0:
        process.log.down = true;
        return;
      case 1:
        if (choices_.one_in(2)) database_.prune();
        break;
      case 2: {
        if (!own_.empty() || !choices_.one_in(3)) break;
        Versions known = everywhere_[database_.epoch().high];
        database_.crash(choices_.below(6));
        everywhere_[database_.epoch().high] = std::move(known);
        subscribers_.crash();
        committed_.begin(database_.epoch(), database_.versions);
        ++tally_.epochs;
        break;
      }
      case 3:
        if (process.busy > 0 || choices_.one_in(2)) break;
        process.readings.clear();
        open(opened(process));
        break;
      case 4:
        process.cache.set_enabled(false);
        return;
      case 5:
        static_cast<void>(process.cache.purge());
        break;
      case 6:
        process.own.flush_local();
        break;
      case 7:
        process.log.loses_beats = !process.log.loses_beats;
        return;
      default:
        clock_.advance(std::chrono::milliseconds(choices_.below(3000)));
    }
    for (auto& each : processes_) {
      Process& other = each->process;
      other.log.down = other.log.down && !choices_.one_in(outages_);
      other.cache.set_enabled(true);
    }
  }

  Mutant mutant_;
  std::set<Position> own_;  // writes that run, of our processes
  std::array<User, 3> users_{User(false), User(true), User(true)};
  std::vector<std::shared_ptr<FakeTier>> tiers_;
  std::optional<std::map<Digest, SharedValue>> dump_;  // of a tier
  std::array<std::unique_ptr<ProcessDatabase>, kProcesses> processes_;
  int depth_ = 0;
};

}  // namespace querymark::test

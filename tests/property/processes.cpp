#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "property/process_model.hpp"
#include "property/random.hpp"
#include "querymark/follow/subscriber.hpp"
#include "querymark/read/many_reads.hpp"
#include "querymark/tier/tier_group.hpp"
#include "querymark/write/own_writes.hpp"
#include "support/rounds.hpp"
#include "support/silent.hpp"

// Some processes over one database, with replicas, and over the same shared tiers, each with the real read
// path, subscriber, marks and own writes. Reads go on step by step, many at a time, under whatever policy;
// tiers lose values, bring back old ones, or are older than they were; logs can't be reached, are pruned, and
// begin anew after a crash, when positions are given out again; processes start anew. The property: what a
// read comes to includes, by its status,
//
//   outdated         what was committed max_lag and its policy's window before, and all before the marks
//                    were last restarted
//   degraded         what the process had applied when the read began, and its own acknowledged writes
//   any other        that, and what was committed max_lag before the read began
//   of who demands   what was committed before (strong), the write (at_least); and it is none of the former
//
// and is no older than its ttl, or what the policy allows past that, says.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::Choices;
using test::CommittedVersions;
using test::FakeTier;
using test::LeasingTier;
using test::LoadedVersion;
using test::ModelDatabase;
using test::outage;
using test::ProcessLog;
using test::raise;
using test::SilentDoorbell;
using test::SilentWaker;
using test::VersionRequest;
using test::Versions;

constexpr std::size_t kProcesses = 3;
constexpr auto kMaxLag = 1s;

// Whether writes forget what they make stale, now and then: that has to be found.
struct Mutant {
  bool forgets = false;
};

struct Tally {
  std::uint64_t wrong = 0;
  std::map<ReadStatus, std::uint64_t> served;
  std::uint64_t shared = 0, many = 0, replica = 0, demanded = 0, own = 0, epochs = 0;
};

Target group_target(std::size_t key) { return collection("half", key % 2); }
Target target_of_row(const Row& row) {
  return ModelDatabase::target(static_cast<std::size_t>(row["key"].as<std::int64_t>()));
}

class World {
 public:
  World(std::uint64_t seed, Mutant mutant, Tally& tally)
      : choices_(seed), mutant_(mutant), tally_(tally) {
    database_.interlude = [this] { interlude(); };
    for (int i = 0; i < 3; ++i)
      tiers_.push_back(choices_.one_in(2) ? std::make_shared<LeasingTier>(clock_)
                                          : std::make_shared<FakeTier>());
    committed_.begin(database_.epoch(), {});
    committed_.note(clock_.now(), {});
    for (auto& process : processes_) open(process);
  }

  void run(std::size_t steps) {
    for (std::size_t i = 0; i < steps; ++i) step();
  }

 private:
  struct Reading {
    // One, or several.
    std::vector<std::unique_ptr<VersionRequest>> requests;
    std::unique_ptr<ReadMachine> machine;
    std::unique_ptr<ManyReads> many;
    std::optional<FlightLeader> lead;  // that it was handed
    ReadMachine::Action action = ReadMachine::Done{};
    std::optional<LoadedVersion> loaded;  // the answer is on its way
    bool begun = false, busy = false, background = false;
    // What it is owed.
    MonotonicTime began;
    Versions applied, lagging, restarted, demanded;
    [[nodiscard]] bool demanding() const { return !demanded.empty(); }
    [[nodiscard]] VersionRequest& request() const { return *requests.front(); }
  };
  struct Process final : StampProof {
    Process(ModelDatabase& database, const Clock& clock, const SourceOptions& options,
            const SubscriberOptions& follow)
        : log(database),
          cache({.name = "process", .memory_bytes = 1U << 20U, .clock = &clock}),
          source(cache, options),
          subscriber("shop", log, doorbell, source.marks(), follow),
          own(source.marks(), subscriber) {
      source.follow_by(subscriber);
    }
    void prove(const SharedStamp& /*stamp*/) override { subscriber.catch_up(); }

    ProcessLog log;
    SilentDoorbell doorbell;
    Cache cache;
    Source source;
    Subscriber subscriber;
    OwnWrites own;
    bool begun = false;
    bool polls = false;  // one look at the log at a time
    int busy = 0;        // in the middle of something: it does not end there
    Versions owed;       // by its own writes, waits and looks
    Versions restarted;  // what it included when its marks were last restarted
    std::uint64_t restarts = 0;
    std::vector<std::unique_ptr<Reading>> readings;
  };
  struct Busy {
    explicit Busy(Process& process) : of(process) { ++of.busy; }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
    ~Busy() { --of.busy; }
    Process& of;
  };
  struct Polls : Busy {
    explicit Polls(Process& process) : Busy(process) { of.polls = true; }
    ~Polls() { of.polls = false; }
  };

  void open(std::unique_ptr<Process>& process) {
    process.reset();
    SourceOptions options;
    options.scope.namespace_name = "shop";
    options.scope.database = "db";
    options.lagging = choices_.one_in(3) ? Lagging::serve_degraded : Lagging::bypass;
    options.mark_cells = choices_.one_in(2) ? 64 : 4096;
    if (choices_.one_in(3))
      options.load_budget = {.loads = 1 + choices_.below(2), .queue = choices_.below(3)};
    SubscriberOptions follow{.max_lag = kMaxLag, .clock = &clock_};
    if (choices_.one_in(2)) follow.page_size = 1 + choices_.below(3);
    if (choices_.one_in(3)) follow.jump_after = 1 + choices_.below(6);
    process = std::make_unique<Process>(database_, clock_, options, follow);
    const auto group = [&](std::ptrdiff_t from) {
      return std::make_shared<TierGroup>(
          "group",
          TierGroupOptions{.reads = TierReads::sequential, .writes = TierWrites::sequential},
          std::vector<std::shared_ptr<SharedTier>>(tiers_.begin() + from, tiers_.end()));
    };
    StampProof* const proof = choices_.one_in(4) ? nullptr : process.get();
    if (arrangement_ == 1 || arrangement_ == 2 || arrangement_ == 4)
      process->source.attach(tiers_[0], proof);
    if (arrangement_ == 2) process->source.attach(tiers_[1], proof);
    if (arrangement_ >= 3) process->source.attach(group(arrangement_ - 3), proof);
  }
  void begin(Process& process) {
    if (process.begun) return;
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
        return key_target(VersionRequest(processes_[0]->source, key, {}).call.view);
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
    return database_.begin(keys, rows);
  }
  const Versions& commit(Position position) {
    const std::vector<std::size_t> keys = database_.running().at(position).keys;
    database_.commit(position);
    Versions written;
    for (const std::size_t key : keys) written[key] = database_.versions[key];
    committed_.add(database_.epoch(), position, written);
    committed_.note(clock_.now(), database_.versions);
    receipts_.emplace_back(Receipt{"shop", database_.epoch(), position, {position.value}, 1, false},
                           written);
    if (receipts_.size() > 10) receipts_.pop_front();
    return receipts_.back().second;
  }
  void commit_others() {
    const auto& running = database_.running();
    if (running.empty()) return;
    const auto at =
        std::next(running.begin(), static_cast<std::ptrdiff_t>(choices_.below(running.size())));
    if (!own_.contains(at->first)) commit(at->first);
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
    for (std::size_t i = 0; i < rows.size() - (triggers ? 1 : 0); ++i)
      pending.updates.push_back(rows[i] ? MarkUpdate::of(*rows[i], position)
                                        : MarkUpdate::everything(position));
    pending.receipt.position = position;
    pending.receipt.intents = 1;
    pending.rows = rows.size() + (triggers ? choices_.below(2) : 0);
    const Versions written = commit(position);
    if (choices_.one_in(6)) return process.own.doubt(pending);  // its answer is lost
    process.own.apply(pending);
    interlude();
    if (process.polls && !process.source.marks().includes(epoch, position)) return;
    const bool polled = std::exchange(process.polls, true);
    process.own.follow(pending);
    process.polls = polled;
    raise(process.owed, written);
    ++tally_.own;
  }

  // --- what happens
  // Inside of others' steps.
  void interlude() {
    if (depth_ >= 3 || !choices_.one_in(4)) return;
    ++depth_;
    for (std::size_t i = 1 + choices_.below(3); i > 0; --i) step();
    --depth_;
  }
  void step() {
    clock_.advance(std::chrono::milliseconds(choices_.below(12)));
    Process& process = *processes_[choices_.below(kProcesses)];
    begin(process);
    const std::size_t what = choices_.below(64);
    if (what < 5) {
      if (choices_.one_in(calm_) && database_.running().size() < 4) begin_write();
    } else if (what < 11) {
      commit_others();
    } else if (what == 11) {
      photographs_.emplace_back(database_.now(), database_.versions);
      if (photographs_.size() > 6) photographs_.pop_front();
    } else if (what == 12) {
      disturb(*tiers_[choices_.below(tiers_.size())]);
    } else if (what == 13) {
      trouble(process);
    } else if (process.begun) {
      if (what < 18) {
        if (choices_.one_in(calm_)) write(process);
      } else if (what < 24) {
        if (!process.polls) look(process);
      } else if (what < 26) {
        if (!process.polls && !receipts_.empty()) wait(process);
      } else {
        read(process, what < 28);
      }
    }
    for (auto& each : processes_) note_restart(*each);
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
    const auto [receipt, written] = receipts_[choices_.below(receipts_.size())];
    const Polls polls(process);
    try {
      if (process.subscriber.wait(*Receipt::parse(receipt.str()), Wait::local(0ms)).satisfied())
        raise(process.owed, written);
    } catch (const Error&) {
      return;
    }
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
    switch (choices_.below(8)) {
      case 0:
        process.log.down = true;
        return;
      case 1:
        if (choices_.one_in(2)) database_.prune();
        break;
      case 2:
        if (!own_.empty() || !choices_.one_in(3)) break;
        database_.crash(choices_.below(6));
        committed_.begin(database_.epoch(), database_.versions);
        ++tally_.epochs;
        break;
      case 3:
        if (process.busy > 0 || choices_.one_in(2)) break;
        process.readings.clear();
        open(*std::ranges::find(processes_, &process, [](const auto& each) { return each.get(); }));
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
      default:
        clock_.advance(std::chrono::milliseconds(choices_.below(3000)));
    }
    for (auto& each : processes_) {
      each->log.down = each->log.down && !choices_.one_in(outages_);
      each->cache.set_enabled(true);
    }
  }

  // --- reads
  TimeSpan maybe(std::chrono::milliseconds most) {
    if (!choices_.one_in(3)) return {};
    return std::chrono::milliseconds(choices_.below(static_cast<std::size_t>(most.count())));
  }
  ReadOptions options() {
    ReadOptions said{.ttl = std::chrono::milliseconds(200 + choices_.below(4000))};
    if (choices_.one_in(3)) said.lease = 50ms;
    if (lenient_) {
      said.ttl = 8s;
      said.policy.stale_if_error = 8s;
      said.policy.revalidate_within = maybe(3s);
      said.policy.serve_invalidated_on_error = 3s;
    }
    if (lenient_ || choices_.one_in(2)) return said;
    said.policy.serve_stale = maybe(500ms);
    said.policy.stale_while_loading = maybe(2s);
    said.policy.stale_if_error = maybe(4s);
    said.policy.stale_while_refreshing = maybe(2s);
    said.policy.revalidate_within = maybe(3s);
    said.policy.serve_invalidated_on_error = maybe(3s);
    said.policy.soft_timeout = maybe(50ms);
    said.policy.hard_timeout = maybe(50ms);
    said.policy.loads_at_once = choices_.one_in(3) ? 2 : 1;
    said.policy.break_after = choices_.one_in(4) ? 2 : 0;
    return said;
  }
  void demand(ReadOptions& said, Reading& reading) {
    if (choices_.one_in(8)) {
      said.consistency = Consistency::strong();
      reading.demanded = database_.versions;
    } else if (choices_.one_in(8) && !receipts_.empty()) {
      const auto& [receipt, written] = receipts_[choices_.below(receipts_.size())];
      said.consistency = Consistency::at_least(*Receipt::parse(receipt.str()), 0ms);
      reading.demanded = written;
    }
  }
  Reading make(const Process& process) {
    Reading reading;
    reading.began = clock_.now();
    reading.applied = committed_.included(process.source.marks());
    raise(reading.applied, process.owed);
    reading.lagging = committed_.at(clock_.now() - kMaxLag);
    reading.restarted = process.restarted;
    return reading;
  }
  void read(Process& process, bool many) {
    auto& readings = process.readings;
    if (readings.size() < crowd_) return many ? start_many(process) : start(process);
    Reading* const reading = readings[choices_.below(readings.size())].get();
    if (reading->busy) return;
    const Busy busy(process);
    reading->busy = true;
    const bool dies = choices_.one_in(60);
    const bool over =
        dies || (reading->many ? go_on_many(process, *reading) : go_on(process, *reading));
    reading->busy = false;
    if (over) std::erase_if(readings, [&](const auto& each) { return each.get() == reading; });
  }
  void start(Process& process) {
    Reading reading = make(process);
    const std::size_t key = choices_.below(keys_);
    ReadOptions said = options();
    said.tags.push_back(group_target(key));
    if (choices_.one_in(3))
      said.row_tags.emplace_back([](const Row& row) { return target_of_row(row); });
    else
      said.tags.push_back(ModelDatabase::target(key));
    if (choices_.one_in(4)) said.tags.push_back(entity("extra", choices_.below(3)));
    const bool alone = choices_.one_in(15);  // in a transaction of its caller's
    if (!alone) demand(said, reading);
    reading.requests.push_back(
        std::make_unique<VersionRequest>(process.source, key, said, choices_.below(300'000)));
    VersionRequest& request = reading.request();
    request.alone = alone;
    request.only_tiers = !alone && !reading.demanding() && choices_.one_in(25);
    if (!alone && !reading.demanding()) {
      std::vector<TargetId> required;
      required.reserve(said.tags.size());
      for (const Target& tag : said.tags) required.push_back(tag.id());
      ReadResult found;
      if (process.source.find(
              {.call = request.call, .options = request.options, .required = required}, found))
        return check(process, reading, request, found);
      request.refused = found.outcome.refused;
    }
    drive(process, std::move(reading));
  }
  Reading& drive(Process& process, Reading reading) {
    auto& kept = process.readings.emplace_back(std::make_unique<Reading>(std::move(reading)));
    kept->machine = std::make_unique<ReadMachine>(process.source, kept->request(),
                                                  ReadCaller{CallerId{++callers_}});
    return *kept;
  }
  // As the cache's executor does.
  Reading& load_apart(Process& process, const VersionRequest& of) {
    Reading reading = make(process);
    reading.background = true;
    reading.requests.push_back(
        std::make_unique<VersionRequest>(process.source, of.number, of.options));
    return drive(process, std::move(reading));
  }
  // Whether it is over.
  bool go_on(Process& process, Reading& reading) {
    ReadMachine& machine = *reading.machine;
    if (!std::exchange(reading.begun, true))
      reading.action = reading.lead ? machine.start(*std::exchange(reading.lead, std::nullopt))
                                    : machine.start();
    else if (auto next = std::visit([&](auto& action) { return done(process, reading, action); },
                                    reading.action))
      reading.action = *std::move(next);
    if (!std::holds_alternative<ReadMachine::Done>(reading.action)) return false;
    if (machine.take_error() != nullptr || reading.background) return true;
    const ReadResult result = machine.take_result();
    if (result.entry && !reading.request().alone)
      check(process, reading, reading.request(), result);
    return true;
  }
  // What each action comes to; nothing: it is not done yet.
  using Next = std::optional<ReadMachine::Action>;
  Next done(Process&, Reading& reading, ReadMachine::Analyse&) {
    return reading.machine->resume_analysed();
  }
  Next done(Process& process, Reading& reading, ReadMachine::Reach& reach) {
    if (process.polls) return std::nullopt;
    bool reached = false;
    {
      const Polls polls(process);
      reached = reach.wanted->reach(*reach.subscriber);
    }
    return reading.machine->resume_reached(reached);
  }
  Next done(Process& process, Reading& reading, ReadMachine::Refresh&) {
    if (choices_.one_in(2)) {
      VersionRequest& own = load_apart(process, reading.request()).request();
      const EntryRef entry = process.cache.core().memory.find(own.call.view, own.call.hash);
      own.replaces = entry ? entry->expires() : MonotonicTime::min();
    }
    return reading.machine->resume_refreshing();
  }
  Next done(Process& process, Reading& reading, ReadMachine::HandOver& over) {
    const bool takes = choices_.one_in(2);
    if (takes) {
      load_apart(process, reading.request()).lead.emplace(std::move(**over.leader));
      over.leader->reset();
    }
    return reading.machine->resume_handed_over(takes);
  }
  Next done(Process&, Reading& reading, ReadMachine::Await& await) {
    if (auto result = await.waiter->take(nullptr))
      return reading.machine->resume(*std::move(result));
    if (!choices_.one_in(await.longest.count() > 0 ? 4 : 25)) return std::nullopt;
    return reading.machine->give_up();
  }
  Next done(Process&, Reading& reading, ReadMachine::PollTier& poll) {
    TierRead wanted{.name = poll.name, .judge = poll.judge};
    static_cast<void>(poll.tier->read("shop", {&wanted, 1}));
    if (choices_.one_in(20)) wanted.value.reset();
    return reading.machine->resume(std::move(wanted.value), std::move(wanted.refills));
  }
  Next done(Process& process, Reading& reading, ReadMachine::Prove& prove) {
    if (process.polls) return std::nullopt;
    bool proved = false;
    try {
      const Polls polls(process);
      prove.proof->prove(prove.stamp);
      proved = true;
    } catch (const Error&) {
      proved = false;
    }
    return reading.machine->resume_proved(proved);
  }
  Next done(Process&, Reading& reading, ReadMachine::Lease& lease) {
    return reading.machine->resume_leased(
        lease.tier->lease("shop", lease.name, lease.token, lease.longest));
  }
  Next done(Process&, Reading& reading, ReadMachine::Pause&) {
    return choices_.one_in(20) ? reading.machine->give_up() : reading.machine->resume_paused();
  }
  Next done(Process& process, Reading& reading, ReadMachine::Load& load) {
    if (reading.loaded) {
      const LoadedVersion loaded = *std::exchange(reading.loaded, std::nullopt);
      return reading.machine->resume(reading.request().made_of(loaded, load.init));
    }
    reading.loaded = ask(process, reading.request());
    if (reading.loaded && !choices_.one_in(10)) return std::nullopt;  // it is on its way
    reading.loaded.reset();
    const auto error = choices_.one_in(5) ? std::make_exception_ptr(Error("no right to read it"))
                                          : std::make_exception_ptr(outage());
    return choices_.one_in(4) ? reading.machine->fail_alone(error) : reading.machine->fail(error);
  }
  Next done(Process&, Reading& reading, ReadMachine::StoreShared& store) {
    if (!choices_.one_in(6)) store.tier->put("shop", store.name, *store.value);
    filed_.emplace_back(store.name, *store.value);
    if (filed_.size() > 30) filed_.pop_front();
    return reading.machine->resume_stored();
  }
  Next done(Process&, Reading& reading, ReadMachine::Release& release) {
    if (!choices_.one_in(5)) release.tier->release("shop", release.name, release.token);
    return reading.machine->resume_released();
  }
  Next done(Process&, Reading&, ReadMachine::Done&) { return std::nullopt; }

  // Nothing: the connection to another history is gone, or nobody answers. A replica, and a transaction that stays open, show
  // what was committed some time ago.
  std::optional<LoadedVersion> ask(const Process& process, const VersionRequest& request) {
    if (process.source.marks().cursor().epoch != database_.epoch()) return std::nullopt;
    if (process.log.down && choices_.one_in(2)) return std::nullopt;
    LoadedVersion loaded{.key = request.number,
                         .version = database_.versions[request.number],
                         .asked = clock_.now()};
    if (photographs_.empty()) return loaded;
    if (!request.alone && !(request.replica_serves && choices_.one_in(3))) return loaded;
    const auto& [cursor, versions] = photographs_[choices_.below(photographs_.size())];
    const auto version = versions.find(request.number);
    loaded.version = version == versions.end() ? 0 : version->second;
    loaded.snapshot = SharedStamp{.epoch = cursor.epoch, .horizon = cursor.snapshot.horizon()};
    loaded.replica = !request.alone;
    tally_.replica += loaded.replica ? 1 : 0;
    return loaded;
  }

  void start_many(Process& process) {
    // One thread plays all: what it read inside of another's load would be taken for a part of that.
    if (LeadingScope::active()) return;
    Reading reading = make(process);
    ReadOptions said = options();
    said.tags = {group_target(0), group_target(1)};
    said.row_tags.emplace_back([](const Row& row) { return target_of_row(row); });
    demand(said, reading);
    std::vector<ReadRequest*> requests;
    for (std::size_t key = 0; key < keys_; ++key) {
      if (choices_.one_in(3)) continue;
      auto& request = reading.requests.emplace_back(
          std::make_unique<VersionRequest>(process.source, key, said, choices_.below(200'000)));
      request->on_load = [this, &process](const VersionRequest& wanted) {
        interlude();
        const auto loaded = ask(process, wanted);
        if (!loaded || choices_.one_in(12)) throw outage();
        interlude();
        return *loaded;
      };
      requests.push_back(request.get());
    }
    if (requests.empty()) return;
    reading.many = std::make_unique<ManyReads>(process.source, requests);
    process.readings.push_back(std::make_unique<Reading>(std::move(reading)));
  }
  bool go_on_many(Process& process, Reading& reading) {
    if (process.polls || LeadingScope::active()) return false;
    const RunningRead::Next next = reading.many->next(waker_);
    if (std::holds_alternative<RunningRead::Works>(next)) {
      const Polls polls(process);
      reading.many->work();
    }
    if (!std::holds_alternative<RunningRead::Over>(next)) return false;
    const std::vector<ReadAnswer> answers = reading.many->take();
    for (std::size_t i = 0; i < answers.size(); ++i)
      if (const auto* result = std::get_if<ReadResult>(&answers[i]); result && result->entry)
        check(process, reading, *reading.requests[i], *result);
    ++tally_.many;
    return true;
  }

  void check(const Process& process, const Reading& reading, const VersionRequest& request,
             const ReadResult& result) {
    const LoadedVersion loaded = LoadedVersion::of(*result.entry);
    const ReadStatus status = result.outcome.status;
    const ReadPolicy& policy = request.options.policy;
    ++tally_.served[status];
    tally_.shared += result.outcome.origin == Origin::shared_tier ? 1 : 0;
    tally_.demanded += reading.demanding() ? 1 : 0;
    const auto require = [&](bool right) { tally_.wrong += right ? 0 : 1; };
    const auto includes = [&](const Versions& owed) {
      const auto at = owed.find(request.number);
      require(at == owed.end() || loaded.version >= at->second);
    };
    includes(reading.demanded);
    if (status == ReadStatus::outdated) {
      // Who serves hits while the log is not reached has no bound.
      const MonotonicTime judged = result.entry->loaded() + result.outcome.age;
      if (process.source.options().lagging == Lagging::bypass)
        includes(
            committed_.at(judged - kMaxLag -
                          std::max(policy.revalidate_within, policy.serve_invalidated_on_error)));
      includes(reading.restarted);
      return require(!reading.demanding());
    }
    includes(reading.applied);
    const bool old = status == ReadStatus::stale || status == ReadStatus::degraded;
    require(!old || !reading.demanding());
    if (!old || process.source.options().lagging == Lagging::bypass) includes(reading.lagging);
    const std::chrono::nanoseconds longest =
        *request.options.ttl + (status == ReadStatus::stale ? policy.grace() : TimeSpan());
    require(skews_ || reading.began - loaded.asked < longest);
  }

  Choices choices_;
  Mutant mutant_;
  Tally& tally_;
  ManualClock clock_;
  // How this world is.
  const std::size_t keys_ = 1 + choices_.below(ModelDatabase::kKeys);
  const std::size_t calm_ = std::size_t{1} << choices_.below(6);     // one write in so many
  const std::size_t outages_ = std::size_t{1} << choices_.below(5);  // how long they last
  const std::size_t crowd_ = 3 + choices_.below(8);                  // reads at a time
  const bool lenient_ = choices_.one_in(4);                          // old is better than nothing
  const bool skews_ = choices_.one_in(3);                            // wall clocks are set
  const int arrangement_ = static_cast<int>(choices_.below(5));      // of the tiers

  ModelDatabase database_;
  CommittedVersions committed_;
  std::set<Position> own_;  // writes that run, of our processes
  std::deque<std::pair<Receipt, Versions>> receipts_;
  std::deque<std::pair<Cursor, Versions>> photographs_;  // of the database
  std::vector<std::shared_ptr<FakeTier>> tiers_;
  std::optional<std::map<Digest, SharedValue>> dump_;  // of a tier
  std::deque<std::pair<Digest, SharedValue>> filed_;
  SilentWaker waker_;
  std::uint64_t callers_ = std::uint64_t{1} << 62U;  // names nobody else has
  std::array<std::unique_ptr<Process>, kProcesses> processes_;
  int depth_ = 0;
};

}  // namespace

TEST_CASE("processes: whatever becomes of log, tiers and readers, a read includes what it is owed",
          "[processes]") {
  Tally tally;
  const std::uint64_t first = Choices::first_seed();
  for (std::uint64_t seed = first; seed < first + test::rounds(200); ++seed) {
    World(seed, {}, tally).run(2000);
    INFO("QUERYMARK_SEED=" << seed);
    REQUIRE(tally.wrong == 0);
  }
  // And all of it happens.
  CHECK(tally.served[ReadStatus::hit] > 300);
  CHECK(tally.served[ReadStatus::joined] > 30);
  CHECK(tally.served[ReadStatus::stale] > 0);
  CHECK(tally.served[ReadStatus::outdated] > 0);
  CHECK(tally.served[ReadStatus::degraded] > 0);
  CHECK(tally.shared > 100);
  CHECK(tally.replica > 100);
  CHECK(tally.many > 100);
  CHECK(tally.demanded > 100);
  CHECK(tally.own > 100);
  CHECK(tally.epochs > 10);
}

TEST_CASE("processes: writes that forget what they make stale are found out", "[processes]") {
  Tally tally;
  for (std::uint64_t seed = 1; seed <= 100 && tally.wrong == 0; ++seed)
    World(seed, {.forgets = true}, tally).run(2000);
  CHECK(tally.wrong > 0);
}

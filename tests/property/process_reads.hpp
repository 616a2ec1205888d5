#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "property/process_world.hpp"

// How processes read, step by step, and that they are given what they are owed.

namespace querymark::test {

inline Target target_of_row(const Row& row) {
  return ModelDatabase::target(static_cast<std::size_t>(row["key"].as<std::int64_t>()));
}

class ReadingWorld final : public ProcessWorld {
 public:
  using ProcessWorld::ProcessWorld;

 private:
  TimeSpan maybe(std::chrono::milliseconds most) {
    if (!choices_.one_in(3)) return {};
    return std::chrono::milliseconds(choices_.below(static_cast<std::size_t>(most.count())));
  }
  ReadOptions options(const Process& process) {
    ReadOptions said{.ttl = std::chrono::milliseconds((200 + choices_.below(4000)) * pace_ / 12)};
    process.lives.say(said.policy);
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
  void demand(Process& process, ReadOptions& said, Reading& reading) {
    User* const user = process.begun && !process.polls && choices_.one_in(4) ? somebody() : nullptr;
    if (user != nullptr) {
      ask_as(process, *user, said, reading);
    } else if (choices_.one_in(8)) {
      said.consistency = Consistency::strong();
      reading.demanded = database_.versions;
    } else if (choices_.one_in(8) && !receipts_.empty()) {
      const auto& [receipt, fate] = receipts_[choices_.below(receipts_.size())];
      said.consistency = Consistency::at_least(*Receipt::parse(receipt.str()), 0ms);
      reading.demanded = fate->written;
    }
    reading.demanding = !said.consistency.is_eventual();
  }
  void ask_as(Process& process, User& user, ReadOptions& said, Reading& reading) {
    reading.user = user.turn();
    reading.promised = user.written;
    const Polls polls(process);  // it may look at the log
    said.consistency = session_of(user, process).consistency();
    reading.seen = user.never_back();
    user.keep();
  }
  Reading make(const Process& process) {
    Reading reading;
    reading.began = clock_.now();
    reading.applied = committed_.included(process.source.marks());
    raise(reading.applied, process.owed);
    reading.lagging = committed_.at(clock_.now() - max_lag_);
    reading.restarted = process.restarted;
    reading.everywhere = everywhere_[process.source.marks().cursor().epoch.high];
    return reading;
  }
  void read(Process& process, bool many) override {
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
    ReadOptions said = options(process);
    const bool automatic = automatic_ && choices_.one_in(2);
    if (automatic) said.tagging = Tags::automatic;
    // What is asked for under other promises has yet to be analysed.
    if (automatic && choices_.one_in(3)) said.promises.pure = {std::to_string(choices_.below(12))};
    tally_.automatic += automatic ? 1 : 0;
    said.tags.push_back(group_target(key));
    const bool of_rows = choices_.one_in(3);
    if (of_rows) said.row_tags.emplace_back([](const Row& row) { return target_of_row(row); });
    // A row that comes has to reach the result that lacks it.
    if (!automatic && (!of_rows || gaps_)) said.tags.push_back(ModelDatabase::target(key));
    if (choices_.one_in(4)) said.tags.push_back(entity("extra", choices_.below(3)));
    const bool alone = choices_.one_in(15);  // in a transaction of its caller's
    if (!alone) demand(process, said, reading);
    reading.requests.push_back(std::make_unique<VersionRequest>(process.source, process, key, said,
                                                                choices_.below(300'000)));
    VersionRequest& request = reading.request();
    request.alone = alone;
    request.only_tiers = !alone && !reading.demanding && !reading.user && choices_.one_in(25);
    if (!alone && !reading.demanding) {
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
        std::make_unique<VersionRequest>(process.source, process, of.number, of.options));
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
  Next done(Process& process, Reading& reading, ReadMachine::Analyse&) {
    if (process.polls) return std::nullopt;
    const Polls polls(process);
    reading.request().analyse();
    interlude();
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
    // Who takes over has no analysis of his own, and is not made from another's request here.
    const bool takes = !reading.request().automatic() && choices_.one_in(2);
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
    const bool of_replica = replicas_ && request.replica_serves && choices_.one_in(3);
    if (photographs_.empty() || !(request.alone || of_replica)) return seen(loaded);
    const auto& [cursor, versions] = photographs_[choices_.below(photographs_.size())];
    const auto version = versions.find(request.number);
    loaded.version = version == versions.end() ? 0 : version->second;
    loaded.snapshot = SharedStamp{.epoch = cursor.epoch, .horizon = cursor.snapshot.horizon()};
    loaded.replica = !request.alone;
    tally_.replica += loaded.replica ? 1 : 0;
    return seen(loaded);
  }
  LoadedVersion seen(LoadedVersion loaded) const {
    loaded.absent = gaps_ && loaded.version % 3 == 1;
    return loaded;
  }

  void start_many(Process& process) {
    // One thread plays all: what it read inside of another's load would be taken for a part of that.
    if (LeadingScope::active()) return;
    Reading reading = make(process);
    ReadOptions said = options(process);
    said.tags = {group_target(0), group_target(1)};
    said.row_tags.emplace_back([](const Row& row) { return target_of_row(row); });
    for (std::size_t key = 0; gaps_ && key < keys_; ++key)
      said.tags.push_back(ModelDatabase::target(key));
    demand(process, said, reading);
    std::vector<ReadRequest*> requests;
    for (std::size_t key = 0; key < keys_; ++key) {
      if (choices_.one_in(3)) continue;
      auto& request = reading.requests.emplace_back(std::make_unique<VersionRequest>(
          process.source, process, key, said, choices_.below(200'000)));
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
    tally_.demanded += reading.demanding ? 1 : 0;
    const auto require = [&](bool right, const char* rule) { tally_.require(right, rule); };
    const auto includes = [&](const Versions& owed, const char* rule) {
      const auto at = owed.find(request.number);
      require(at == owed.end() || loaded.version >= at->second, rule);
    };
    const bool bypasses = process.source.options().lagging == Lagging::bypass;
    includes(reading.demanded, "what was demanded is included");
    includes(reading.promised, "a user's own writes are included");
    includes(reading.seen, "a user's reads do not go back");
    if (reading.user) {
      raise(reading.user->seen, {{request.number, loaded.version}});
      ++tally_.users;
    }
    const std::chrono::nanoseconds life = process.lives.of(loaded, *request.options.ttl);
    tally_.absent += loaded.absent && status == ReadStatus::hit ? 1 : 0;
    // Others' loads are shared whether their result is kept or not.
    const bool kept = result.outcome.origin != Origin::database;
    require(!kept || life.count() > 0, "what is not to be kept is not");
    if (kept || (status == ReadStatus::joined && life.count() > 0)) {
      const bool old = status == ReadStatus::stale || status == ReadStatus::outdated;
      require(skews_ || reading.began - loaded.asked < life + (old ? policy.grace() : TimeSpan()),
              "nothing is older than its rows' ttl");
    }
    if (status == ReadStatus::outdated) {
      // Who serves hits while the log is not reached has no bound.
      const MonotonicTime judged = result.entry->loaded() + result.outcome.age;
      const auto longest = std::max(policy.revalidate_within, policy.serve_invalidated_on_error);
      if (bypasses)
        includes(committed_.at(judged - max_lag_ - longest), "what is outdated is not too old");
      includes(reading.restarted, "nothing outdated is from before a restart");
      return require(!reading.demanding, "what is outdated is for nobody who demands");
    }
    includes(reading.applied, "what was applied is included");
    const bool old = status == ReadStatus::stale || status == ReadStatus::degraded;
    require(!old || !reading.demanding, "what is old is for nobody who demands");
    if (!old || bypasses) {
      includes(reading.lagging, "what was committed max_lag before is included");
      includes(reading.everywhere, "what is everywhere is included");
    }
    require(skews_ || reading.began - loaded.asked < *request.options.ttl + policy.grace(),
            "nothing is older than its ttl");
  }

  const std::size_t crowd_ = 3 + choices_.below(8);  // reads at a time
  const bool lenient_ = choices_.one_in(4);          // old is better than nothing
  std::uint64_t callers_ = std::uint64_t{1} << 62U;  // names nobody else has
};

}  // namespace querymark::test

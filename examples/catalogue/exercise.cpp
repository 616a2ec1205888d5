#include "exercise.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>

#include <ctime>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace catalogue {
namespace {

using std::chrono::steady_clock;

constexpr int kReadsPerQuestion = 3;  // the first may have to load, the others hit
constexpr std::uint64_t kCanaryTurn = 20;
constexpr std::size_t kSamples = 200;

// CLOCK_MONOTONIC: the same for all processes of a machine.
std::int64_t nanoseconds_now() { return steady_clock::now().time_since_epoch().count(); }

// Asks for random packages, again and again, until destroyed.
class Visitors {
 public:
  Visitors(Service& service, const std::vector<Sample>& samples)
      : thread_([this, &service, &samples](const std::stop_token& stop) {
          std::minstd_rand random(7);
          std::unique_lock lock(mutex_);
          while (!stop.stop_requested()) {
            const Sample& sample = samples[random() % samples.size()];
            (void)service.package(sample.name);
            (void)service.largest(sample.section);
            (void)service.needed_by(sample.dependency);
            pause_.wait_for(lock, stop, std::chrono::microseconds(500), [] { return false; });
          }
        }) {}

 private:
  std::mutex mutex_;
  std::condition_variable_any pause_;
  std::jthread thread_;
};

}  // namespace

struct Exercise::Change {
  enum class Kind { bump, removal, publication, bump_without_intents };
  Kind kind;
  Sample sample;
  [[nodiscard]] bool touches_graph() const {
    return kind == Kind::removal || kind == Kind::publication;
  }
};

struct Exercise::Commit {
  qm::Receipt receipt;
  std::int64_t began = 0;
};

Exercise::Exercise(Service& service, Direct& direct, Peer& peer, ExerciseOptions options)
    : service_(service),
      direct_(direct),
      peer_(peer),
      options_(options),
      samples_(direct.samples(kSamples)),
      random_(options.leads ? 1 : 2) {
  if (samples_.size() < 16) throw std::runtime_error("too few packages for the exercise");
}

bool Exercise::over() const {
  return steady_clock::now() >= end_ &&
         tally_.checked_reads + peer_checked_ >= options_.least_checked_reads;
}

Tally Exercise::run(const std::function<void(const Tally&)>& progress) {
  const Visitors visitors(service_, samples_);
  prctl(PR_SET_TIMERSLACK, 1);  // this thread's short sleeps are short
  end_ = steady_clock::now() + options_.duration;
  bool my_turn = options_.leads;
  for (;;) {
    if (my_turn) {
      if (options_.leads && over()) {
        peer_.send({{"say", "over"}});
        break;
      }
      write_one();
      if (turns_ % 50 == 0) progress(tally_);
    } else {
      const nlohmann::json announced = peer_.receive();
      if (announced.at("say") == "over") break;
      read_one(announced);
    }
    my_turn = !my_turn;
  }
  const qm::CacheStats stats = service_.stats();
  tally_.memory_hits = stats.hits;
  tally_.file_tier_hits = stats.shared_hits;
  tally_.misses = stats.misses;
  tally_.joined = stats.joined;
  tally_.late_fills = stats.late_fills;
  return tally_;
}

// --- the writer's turn

void Exercise::write_one() {
  ++turns_;
  const Change change = plan();
  const Sample& sample = change.sample;
  peer_.send({{"say", "about to change"},
              {"name", sample.name},
              {"section", sample.section},
              {"dependency", sample.dependency},
              {"graph", change.touches_graph()}});
  (void)peer_.receive();  // "ready"

  const Commit commit = perform(change);
  // Every other time this instance asks too, at once: it sees its own write without waiting, and
  // leaves its answers in the file tier, where the other one finds them.
  if (turns_ % 2 == 0)
    each_question(sample, change.touches_graph(), [&](const auto& cached, const auto& directly) {
      ++tally_.own_checked_reads;
      if (!std::ranges::equal(cached, directly())) ++tally_.own_stale_reads;
    });
  peer_.send({{"say", "written"}, {"receipt", commit.receipt.str()}, {"began", commit.began}});
  peer_checked_ = peer_.receive().at("checked_reads").get<std::uint64_t>();
}

Exercise::Change Exercise::plan() {
  using Kind = Change::Kind;
  if (options_.canary && turns_ == kCanaryTurn) {
    // What is removed for the moment can't be bumped.
    for (const Sample& sample : samples_)
      if (!direct_.package(sample.name).empty()) return {Kind::bump_without_intents, sample};
  }
  constexpr std::size_t kMostRemoved = 4;
  if (removed_.size() >= kMostRemoved) return {Kind::publication, removed_.front().first};
  const Sample& sample = samples_[random_() % samples_.size()];
  const bool there = !direct_.package(sample.name).empty();
  if (!there) return plan();  // one of the few that are removed for the moment
  return {turns_ % 5 == 0 ? Kind::removal : Kind::bump, sample};
}

Exercise::Commit Exercise::perform(const Change& change) {
  Commit commit;
  commit.receipt = service_.store().write([&](qm::Transaction& tx) {
    this->change(tx, change);
    commit.began = nanoseconds_now();  // all that is left are the intents and COMMIT
  });
  return commit;
}

void Exercise::change(qm::Transaction& tx, const Change& change) {
  const std::string& name = change.sample.name;
  switch (change.kind) {
    case Change::Kind::bump:
      ++tally_.bumps;
      bump(tx, name, fmt::format("9:{}-{}", turns_, options_.leads ? "a" : "b"));
      break;
    case Change::Kind::removal:
      ++tally_.removals;
      removed_.emplace_back(change.sample, remove(tx, name).value());
      break;
    case Change::Kind::publication:
      ++tally_.publications;
      publish(tx, removed_.front().second);
      removed_.pop_front();
      break;
    case Change::Kind::bump_without_intents:
      // The canary: what must not happen in an application. The receipt is that of another intent,
      // so a wait on it is satisfied, and yet nobody hears of the change.
      ++tally_.bumps;
      tx.execute("update package set version = $1 where name = $2", "9:canary", name);
      tx.invalidate(qm::tag("canary")).reason("an invalidation dropped on purpose");
      break;
  }
}

// --- the reader's turn

void Exercise::read_one(const nlohmann::json& announced) {
  const Sample sample{announced.at("name"), announced.at("section"), announced.at("dependency")};
  const bool graph = announced.at("graph");
  cache_old_answers(sample, graph);
  const std::uint64_t before = generation();
  peer_.send({{"say", "ready"}});
  const std::optional<std::int64_t> seen = see_it_come(before);

  const nlohmann::json written = peer_.receive();
  if (seen)
    tally_.propagation_ms.push_back(
        static_cast<double>(*seen - written.at("began").get<std::int64_t>()) / 1e6);
  else
    ++tally_.not_seen_coming;
  const auto receipt = qm::Receipt::parse(written.at("receipt").get<std::string>());
  if (!receipt) throw std::runtime_error("not a receipt: " + written.at("receipt").dump());
  if (service_.wait(*receipt, std::chrono::seconds(5)).satisfied()) {
    for (int i = 0; i < kReadsPerQuestion; ++i)
      each_question(sample, graph, [&](const auto& cached, const auto& directly) {
        ++tally_.checked_reads;
        if (cached.outcome().is_hit()) ++tally_.checked_hits;
        if (!std::ranges::equal(cached, directly())) ++tally_.stale_reads_after_wait;
      });
  } else {
    ++tally_.waits_not_satisfied;
  }
  peer_.send({{"say", "checked"}, {"checked_reads", tally_.checked_reads}});
}

// A lost invalidation can only show where an old answer is held: makes sure that all are.
void Exercise::cache_old_answers(const Sample& sample, bool graph) {
  for (int i = 0; i < 2; ++i)
    each_question(sample, graph, [&](const auto& cached, const auto& /*directly*/) {
      if (i == 1 && cached.outcome().origin == qm::Origin::memory) ++tally_.old_answers_cached;
    });
}

// Moves when an invalidation is applied; the cursor also moves with transactions of others.
std::uint64_t Exercise::generation() {
  return service_.store().queries().source().marks().generation();
}

// When this process's marks came to include a write after `before`, by its own subscriber alone: no
// message and no wait has told it to look. Nothing if that takes very long.
std::optional<std::int64_t> Exercise::see_it_come(std::uint64_t before) {
  constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 20'000};
  const std::int64_t patience = nanoseconds_now() + 1'000'000'000;
  while (generation() == before) {
    if (nanoseconds_now() > patience) return std::nullopt;
    nanosleep(&kPause, nullptr);
  }
  return nanoseconds_now();
}

// Asks the cache what a change of `sample` shows in; `visit` may ask the database for the same.
template <class Visit>
void Exercise::each_question(const Sample& sample, bool graph, Visit&& visit) {
  visit(service_.package(sample.name), [&] { return direct_.package(sample.name); });
  visit(service_.largest(sample.section), [&] { return direct_.largest(sample.section); });
  if (!graph) return;
  visit(service_.needed_by(sample.dependency),
        [&] { return direct_.needed_by(sample.dependency); });
  visit(service_.reach(sample.name), [&] { return direct_.reach(sample.name); });
  visit(service_.totals(), [&] { return direct_.totals(); });
}

}  // namespace catalogue

#include "exercise.hpp"

#include <sys/prctl.h>

#include <ctime>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "census.hpp"

namespace catalogue {
namespace {

using std::chrono::steady_clock;

constexpr int kReadsPerQuestion = 3;  // the first may have to load, the others hit
constexpr std::uint64_t kCanaryTurn = 20;
constexpr std::uint64_t kCensusTurn = 17;  // so that it meets all kinds of writes
// On a machine that is slow, too, a census meets what a stranger writes.
constexpr std::uint64_t kLeastTurns = 2 * Plan::kStrangersTurn * kCensusTurn;
constexpr std::chrono::seconds kAuditPatience{30};

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

struct Exercise::Commit {
  nlohmann::json receipt;  // null: nobody has one
  std::int64_t began = 0;
};

Exercise::Exercise(Service& service, Direct& direct, Peer& peer, Beside* beside,
                   ExerciseOptions options)
    : service_(service),
      direct_(direct),
      peer_(peer),
      beside_(beside),
      options_(options),
      plan_(service, direct,
            {.strangers = beside != nullptr,
             .seed = options.leads ? 1U : 2U,
             .mark = options.leads ? "a" : "b",
             .forgetful_turn = options.canary && beside == nullptr ? kCanaryTurn : 0}) {}

bool Exercise::over() const {
  // What the canary has broken may leave few hits to be checked.
  if (options_.canary && beside_ != nullptr)
    return service_.stats().audits_wrong + peer_audits_wrong_ > 0 ||
           steady_clock::now() >= end_ + kAuditPatience;
  return steady_clock::now() >= end_ && plan_.turns() >= kLeastTurns &&
         tally_.checked_reads + peer_checked_ >= options_.least_checked_reads;
}

Tally Exercise::run(const std::function<void(const Tally&)>& progress) {
  const Visitors visitors(service_, plan_.samples());
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
      if (plan_.turns() % 50 == 0) progress(tally_);
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
  tally_.unproven = stats.unproven;
  tally_.audits_agreed = stats.audits_agreed;
  tally_.audits_excused = stats.audits_excused;
  tally_.audits_wrong = stats.audits_wrong;
  return tally_;
}

// --- the writer's turn

void Exercise::write_one() {
  const Change change = plan_.next();
  const std::uint64_t turn = plan_.turns();
  const Sample& sample = change.sample;
  peer_.send({{"say", "about to change"},
              {"name", sample.name},
              {"section", sample.section},
              {"dependency", sample.dependency},
              {"graph", !change.touches_only_versions()},
              {"strange", change.is_strange()},
              {"census", turn % kCensusTurn == 0}});
  (void)peer_.receive();  // "ready"

  if (options_.canary && beside_ != nullptr && turn == kCanaryTurn)
    beside_->session.run(beside_->sabotage);
  const Commit commit = perform(change);
  // Every other time this instance asks too, at once: it sees its own write without waiting, and
  // leaves its answers in the file tier, where the other one finds them.
  if (turn % 2 == 0) {
    if (change.is_strange()) service_.store().catch_up();
    each_question(sample, !change.touches_only_versions(),
                  [&](const auto& cached, const auto& directly) {
                    ++tally_.own_checked_reads;
                    if (!std::ranges::equal(cached, directly())) ++tally_.own_stale_reads;
                  });
  }
  peer_.send({{"say", "written"}, {"receipt", commit.receipt}, {"began", commit.began}});
  const nlohmann::json checked = peer_.receive();
  peer_checked_ = checked.at("checked_reads");
  peer_audits_wrong_ = checked.at("audits_wrong");
}

Exercise::Commit Exercise::perform(const Change& change) {
  Commit commit;
  if (change.is_strange()) {
    beside_->session.run(plan_.sql_of(change));
    ++tally_.strangers_writes;
    return commit;
  }
  commit.receipt = service_.store()
                       .write([&](qm::Transaction& tx) {
                         plan_.make(tx, change);
                         commit.began = nanoseconds_now();  // left are the intents and COMMIT
                       })
                       .str();
  count(change.kind);
  return commit;
}

void Exercise::count(Change::Kind kind) {
  if (kind == Change::Kind::removal)
    ++tally_.removals;
  else if (kind == Change::Kind::publication)
    ++tally_.publications;
  else
    ++tally_.bumps;
}

// --- the reader's turn

void Exercise::read_one(const nlohmann::json& announced) {
  const Sample sample{announced.at("name"), announced.at("section"), announced.at("dependency")};
  const bool graph = announced.at("graph");
  const bool strange = announced.at("strange");
  std::optional<Census> census;
  if (announced.at("census").get<bool>()) census.emplace(service_, direct_, plan_.samples());
  cache_old_answers(sample, graph);
  const std::uint64_t before = generation();
  peer_.send({{"say", "ready"}});
  const std::optional<std::int64_t> seen = strange ? std::nullopt : see_it_come(before);

  const nlohmann::json written = peer_.receive();
  if (seen)
    tally_.propagation_ms.push_back(
        static_cast<double>(*seen - written.at("began").get<std::int64_t>()) / 1e6);
  else if (!strange)
    ++tally_.not_seen_coming;
  if (has_arrived(written)) {
    if (census) {
      const Precisions taken = census->take();
      (strange ? tally_.strangers_precision : tally_.precision) += taken;
      tally_.stale_reads_after_wait += sum_of(taken).stale;
    }
    for (int i = 0; i < kReadsPerQuestion; ++i)
      each_question(sample, graph, [&](const auto& cached, const auto& directly) {
        ++tally_.checked_reads;
        if (cached.outcome().is_hit()) ++tally_.checked_hits;
        if (!std::ranges::equal(cached, directly())) ++tally_.stale_reads_after_wait;
      });
  } else {
    ++tally_.waits_not_satisfied;
  }
  peer_.send({{"say", "checked"},
              {"checked_reads", tally_.checked_reads},
              {"audits_wrong", service_.stats().audits_wrong}});
}

// Whether the answers now include what was written, for which they may have to wait.
bool Exercise::has_arrived(const nlohmann::json& written) {
  if (written.at("receipt").is_null()) {
    service_.store().catch_up();
    return true;
  }
  const auto receipt = qm::Receipt::parse(written.at("receipt").get<std::string>());
  if (!receipt) throw std::runtime_error("not a receipt: " + written.at("receipt").dump());
  return service_.wait(*receipt, std::chrono::seconds(5)).satisfied();
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

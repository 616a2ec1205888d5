#include "soak/soak.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <thread>

#include "soak/crowd.hpp"
#include "soak/place.hpp"
#include "soak/redis_troubles.hpp"
#include "support/child.hpp"
#include "support/daemon.hpp"

namespace querymark::test::soak {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

// For what any machine manages sooner or later, however loaded it is.
constexpr auto kPatience = 180s;
constexpr std::uint64_t kEnoughFindings = 3;

std::atomic<bool> interrupted{false};

// The soak's own process. Whatever happens, happens in its one thread.
class Soak {
 public:
  explicit Soak(const Options& options)
      : options_(options),
        lots_(options.seed),
        postgres_(options.database == "postgres"),
        ledger_(Ledger::create(dir_.file("ledger"))),
        place_(make_place()),
        agents_("agent", dir_.file("agents.log"), ledger_),
        workers_("worker", dir_.file("workers.log"), ledger_) {
    const Finished tracked =
        run({QUERYMARK_PROGRAM, "track", "--db", place_->url(), "item", "auto_item"});
    if (tracked.code != 0) throw std::runtime_error("track: " + tracked.output);
    add_workers();
    add_agents();
  }

  Report run_all() {
    const auto until = Steady::now() + options_.lasts;
    fill_deck();
    Steady::time_point next = Steady::now() + options_.pause;
    while (Steady::now() < until && !ended_early()) {
      if (!options_.quiet && Steady::now() >= next) {
        strike();
        next = Steady::now() + options_.pause * (50 + lots_.below(100)) / 100;
      }
      turn();
    }
    say("all is calm");
    while (!lasting_.empty()) end_first();
    until_each_kind_was_done();
    until_all_have_ended();
    return report();
  }

 private:
  struct Lasting {
    Steady::time_point until;
    std::function<void()> end;
  };

  std::unique_ptr<Place> make_place() {
#ifdef QUERYMARK_SOAK_POSTGRES
    if (postgres_) return postgres_place(options_.standby, options_.pgbouncer);
#endif
    return sqlite_place(dir_);
  }

  void add_workers() {
    const auto worker = [this](const std::string& target) {
      return [this, target](std::uint64_t) {
        return std::vector<std::string>{QUERYMARK_PROGRAM, "worker", "--db",      place_->url(),
                                        "--namespace",     "soak",   "--target",  target,
                                        "--lease-ms",      "2000",   "--poll-ms", "200"};
      };
    };
    for (int i = 0; i < 2; ++i) workers_.add(worker("sqlite:" + tier_));
    if (postgres_)
      for (int i = 0; i < 2; ++i) workers_.add(worker(feed_.url()));
    workers_.tend();
  }

  void add_agents() {
    for (int i = 0; i < 3; ++i)
      agents_.add([this, i](std::uint64_t start) {
        const bool follows = postgres_ && i == 2;  // the others read the log themselves
        return std::vector<std::string>{postgres_ ? SOAK_AGENT_POSTGRES : SOAK_AGENT_SQLITE,
                                        place_->address(),
                                        dir_.file("ledger"),
                                        tier_,
                                        first_redis_.url(),
                                        second_redis_.url(),
                                        follows ? feed_.url() : "",
                                        std::to_string(options_.seed % 1'000'000 * 1000 + start),
                                        std::to_string(options_.forget),
                                        i == 1 ? "" : place_->standby(),
                                        i == 0 ? "" : place_->proxy()};
      });
    agents_.tend();
  }

  // --- what happens

  // Troubles are dealt like cards, so that even a short soak sees most of them.
  void fill_deck() {
    const auto add = [this](Troubles some) { std::ranges::move(some, std::back_inserter(deck_)); };
    add(agents_.troubles());
    add(agents_.troubles());
    add(workers_.troubles());
    add(first_redis_.troubles());
    add(second_redis_.troubles());
    if (postgres_) add(feed_.troubles());
    add(place_->troubles());
    add(by_program());
    next_card_ = deck_.size();
  }

  Troubles by_program() {
    const auto run_beside = [this](std::vector<std::string> words) {
      words.insert(words.begin() + 1, {"--db", place_->url()});
      words.insert(words.begin(), QUERYMARK_PROGRAM);
      visitors_.push_back(std::make_unique<Program>(words, visitors_log_));
      return Struck{.what = fmt::format("{}", fmt::join(words.begin() + 1, words.end(), " "))};
    };
    return {
        {"prune",
         [run_beside](Lots&) {
           return run_beside({"prune", "--namespace", "soak", "--retention", "1s"});
         }},
        {"invalidate",
         [run_beside](Lots& lots) {
           return lots.one_in(2)
                      ? run_beside({"invalidate", "--namespace", "soak", "--flush", "--yes"})
                      : run_beside({"invalidate", "--namespace", "soak", "--collection", "grp"});
         }},
        {"tracked anew",
         [this, run_beside](Lots& lots) {
           if (postgres_ && lots.one_in(2))
             return run_beside({"track", "--row-level", "item", "auto_item"});
           return run_beside({"track", "item", "auto_item"});
         }},
        {"file tier removed",
         [this](Lots&) {
           for (const char* ending : {"", "-wal", "-shm"}) std::filesystem::remove(tier_ + ending);
           return Struck{.what = "the file tier is removed"};
         }},
    };
  }

  void strike() {
    if (next_card_ == deck_.size()) {
      lots_.shuffle(deck_);
      next_card_ = 0;
    }
    const Trouble& trouble = deck_[next_card_++];
    try {
      std::optional<Struck> struck = trouble.strike(lots_);
      if (!struck) return;
      ++struck_[trouble.name];
      say(struck->what);
      if (struck->end) lasting_.push_back({Steady::now() + struck->lasts, std::move(struck->end)});
    } catch (const std::exception& failure) {  // what it would happen to is busy with another one
      say(trouble.name + ": " + failure.what());
    }
  }

  void end_first() {
    const auto first = std::ranges::min_element(lasting_, {}, &Lasting::until);
    const std::function<void()> end = std::move(first->end);
    lasting_.erase(first);
    end();
  }

  // One look at everything.
  void turn() {
    while (!lasting_.empty() &&
           std::ranges::min(lasting_, {}, &Lasting::until).until <= Steady::now())
      end_first();
    agents_.tend();
    workers_.tend();
    tend_the_rest();
  }

  void tend_the_rest() {
    keep_small(visitors_log_);
    std::erase_if(visitors_, [](const auto& visitor) { return visitor->ended().has_value(); });
    try {
      place_->tend();
    } catch (const std::exception& failure) {
      say(std::string("tending the database: ") + failure.what());
    }
    std::this_thread::sleep_for(20ms);
  }

  [[nodiscard]] bool ended_early() const {
    return interrupted || (options_.stop_at_findings && ledger_.findings() >= kEnoughFindings);
  }

  // --- how it ends

  void until_each_kind_was_done() {
    const auto missing = [this] {
      std::vector<std::string> names;
      for (const Tally& tally : ledger_.tallies())
        if (tally.done == 0) names.emplace_back(tally.name.data());
      if (ledger_.tallies().empty()) names.emplace_back("any");
      return names;
    };
    const auto deadline = Steady::now() + kPatience;
    while (!missing().empty() && Steady::now() < deadline && !ended_early()) turn();
    if (ended_early()) return;
    for (const std::string& name : missing()) ledger_.found("NEVER SUCCEEDED: " + name);
  }

  void until_all_have_ended() {
    ledger_.end();
    const auto deadline = Steady::now() + kPatience;
    while (!agents_.all_ended() && Steady::now() < deadline) tend_the_rest();
    if (!agents_.all_ended()) ledger_.found("HANGS: an agent does not end, though all is calm");
  }

  void say(const std::string& what) const {
    fmt::print("{:7.2f} s  {}\n", std::chrono::duration<double>(Steady::now() - began_).count(),
               what);
    std::fflush(stdout);
  }

  Report report() {
    Report report;
    report.options = options_;
    for (const Tally& tally : ledger_.tallies())
      report.kinds.push_back({.name = tally.name.data(),
                              .done = tally.done,
                              .stale = tally.stale,
                              .late = tally.late,
                              .failed = tally.failed,
                              .first_failure = tally.first_failure.str()});
    report.troubles = struck_;
    report.findings = ledger_.first_findings();
    report.all_findings = ledger_.findings();
    if (!report.good())
      for (const Crowd* crowd : {&agents_, &workers_}) {
        const std::string log = text_of_file(crowd->log());
        report.logs +=
            fmt::format("--- the end of what {}s said\n{}\n", crowd->name(),
                        log.substr(log.size() - std::min<std::size_t>(log.size(), 3000)));
      }
    return report;
  }

  Options options_;
  Lots lots_;
  bool postgres_;
  Steady::time_point began_ = Steady::now();
  TempDir dir_;
  std::string tier_ = dir_.file("tier.db");
  std::string visitors_log_ = dir_.file("visitors.log");
  Ledger ledger_;
  RedisOfSoak first_redis_{"first Redis"};
  RedisOfSoak second_redis_{"second Redis"};
  RedisOfSoak feed_{"Redis of the feed"};
  std::unique_ptr<Place> place_;
  Crowd agents_;
  Crowd workers_;
  std::vector<std::unique_ptr<Program>> visitors_;
  Troubles deck_;
  std::size_t next_card_ = 0;
  std::vector<Lasting> lasting_;
  std::map<std::string, int> struck_;
};

}  // namespace

Report soak(const Options& options) {
  struct sigaction end{};
  end.sa_handler = [](int) { interrupted = true; };
  ::sigaction(SIGINT, &end, nullptr);
  ::sigaction(SIGTERM, &end, nullptr);
  return Soak(options).run_all();
}

}  // namespace querymark::test::soak

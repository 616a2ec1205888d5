// One process of a soak: threads that read through a cache, and write, until the ledger says that it is over.

#include "soak/agent.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <iostream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <thread>

#include "querymark/file_tier/file_tier.hpp"
#include "querymark/redis/redis_tier.hpp"
#include "querymark/tier/tier_group.hpp"

namespace querymark::test::soak {
namespace {

using namespace std::chrono_literals;

constexpr int kThreads = 4;

// Agents differ: memory that holds all, or a part; tiers below, or none.
std::size_t memory_of(const Setup& setup) {
  return setup.seed % 3 == 0 ? std::size_t{1} << 20U : std::size_t{32} << 20U;
}

void attach_tiers(Agent& agent) {
  if (agent.setup.seed % 4 == 3) return;
  const auto servers = std::make_shared<TierGroup>(
      "redis", TierGroupOptions{.reads = TierReads::hedged, .hedge_delay = 5ms},
      RedisTier(agent.setup.first_redis), RedisTier(agent.setup.second_redis));
  agent.db.attach(std::make_shared<TierGroup>("shop", TierGroupOptions{.refill_ttl = 1min},
                                              FileTier(agent.setup.tier), servers));
}

Actions all_actions(Agent& agent, const std::shared_ptr<EventLoop>& loop) {
  Actions all;
  for (Actions some : {cached_reads(agent), fresh_reads(agent), writes(agent),
                       in_transactions(agent), awaited(agent, loop), of_callers(agent)})
    std::ranges::move(some, std::back_inserter(all));
  return all;
}

// One thread's work. Errors that an outage explains are counted; anything else that is thrown is a finding.
class Hand {
 public:
  Hand(Agent& agent, Actions actions, std::uint64_t seed)
      : agent_(agent), actions_(std::move(actions)), lots_(seed) {
    for (const Action& action : actions_) {
      tallies_.push_back(&agent.ledger.tally(action.name));
      weights_ += action.weight;
    }
  }

  void work() {
    while (!agent_.ledger.over()) {
      one();
      if (lots_.below(3) != 0) std::this_thread::sleep_for(1us * lots_.below(1500));
    }
  }

 private:
  void one() {
    std::int64_t drawn = lots_.below(weights_);
    std::size_t at = 0;
    while ((drawn -= actions_[at].weight) >= 0) ++at;
    Tally& tally = *tallies_[at];
    try {
      actions_[at].run(lots_, tally);
    } catch (const std::runtime_error& failure) {  // Error, and those of the databases' libraries
      ++tally.failed;
      tally.first_failure.put(failure.what());
      std::this_thread::sleep_for(1ms);
    } catch (const std::exception& failure) {
      agent_.ledger.found(std::string("THROWN by ") + actions_[at].name + ": " + failure.what());
    }
  }

  Agent& agent_;
  Actions actions_;
  std::vector<Tally*> tallies_;
  std::int64_t weights_ = 0;
  Lots lots_;
};

}  // namespace

Agent::Agent(const Setup& of)
    : setup(of),
      ledger(of.ledger),
      judge(ledger, own, Setup::kMaxLag),
      cache(
          {.name = "soak", .memory_bytes = memory_of(of), .offload = std::make_shared<Offload>()}),
      database(open(setup, cache)),
      db(*database) {
  attach_tiers(*this);
}

void Agent::declare(Transaction& tx, std::int64_t id, Lots& lots) const {
  if (setup.forget > 0 && lots.one_in(setup.forget)) return;
  tx.invalidate(item_tag(id));
  tx.invalidate(group_tag(group_of(id)));
}

void Agent::wrote(Tally& tally, Table table, std::int64_t id, std::int64_t version) {
  own.raise(table, id, version);
  wrote_past_it(tally, table, id, version);
}

void Agent::wrote_past_it(Tally& tally, Table table, std::int64_t id, std::int64_t version) {
  ledger.acknowledge(table, id, version);
  ++tally.done;
}

std::int64_t number_of(Transaction& tx, const char* sql, std::int64_t id) {
  const ResultSet rows = tx.query(sql, id);
  return rows.row(0)[0].as<std::int64_t>();
}

}  // namespace querymark::test::soak

int main(int argc, char** argv) {
  namespace soak = querymark::test::soak;
  try {
    const std::span<char*> given(argv, static_cast<std::size_t>(argc));
    if (given.size() != 11) throw std::runtime_error("it is started by querymark_soak");
    soak::Agent agent({.address = given[1],
                       .ledger = given[2],
                       .tier = given[3],
                       .first_redis = given[4],
                       .second_redis = given[5],
                       .feed = given[6],
                       .seed = std::stoull(given[7]),
                       .forget = std::stoll(given[8]),
                       .standby = given[9],
                       .proxy = given[10]});
    const std::shared_ptr<soak::EventLoop> loop = soak::make_event_loop();
    std::vector<soak::Hand> hands;  // all of them before any of them works: see Ledger::tally
    hands.reserve(soak::kThreads);
    for (int i = 0; i < soak::kThreads; ++i)
      hands.emplace_back(agent, soak::all_actions(agent, loop), agent.setup.seed * 100 + i);
    std::vector<std::jthread> threads;
    threads.reserve(hands.size());
    for (soak::Hand& hand : hands) threads.emplace_back([&hand] { hand.work(); });
  } catch (const std::exception& failure) {
    std::cerr << "agent: " << failure.what() << '\n';
    return 1;
  }
  return 0;
}

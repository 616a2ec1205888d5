// Reads that ask for more than what their process happens to know.

#include <algorithm>
#include <chrono>
#include <map>

#include "soak/agent.hpp"

namespace querymark::test::soak {
namespace {

using namespace std::chrono_literals;

// A receipt that some write of any process has left, if one is drawn.
std::optional<std::pair<Receipt, LeftReceipt>> drawn(Agent& agent, Lots& lots) {
  auto left = agent.ledger.left(static_cast<std::size_t>(lots.below(kPlacesOfReceipts)));
  if (!left) return std::nullopt;
  const auto receipt = Receipt::parse(left->receipt);
  if (!receipt) {
    agent.ledger.found("WRONG: a receipt is none: " + left->receipt);
    return std::nullopt;
  }
  return std::pair(*receipt, *std::move(left));
}

// A wait that was satisfied is a promise for this process (or for all of them), which reads then keep. One
// that is not may be right: a process was killed, a target is no more.
auto waited(Agent& agent, bool cluster) {
  const auto plain = agent.db.prepare<std::int64_t>(kValue).tag(item_tag).ttl(1h);
  return [&agent, plain, cluster](Lots& lots, Tally& tally) {
    const auto found = drawn(agent, lots);
    if (!found) return;
    const auto& [receipt, left] = *found;
    if (agent.db.wait(receipt, cluster ? Wait::cluster(2s) : Wait::local(2s)).satisfied()) {
      agent.own.raise(Table::item, left.id, left.version);
      if (cluster) agent.ledger.spread(Table::item, left.id, left.version);
    } else {
      ++tally.failed;
    }
    const Due due = agent.judge.row(Sees::own, Table::item, left.id);
    const auto rows = plain(left.id);
    agent.judge.judge(tally, due, rows[0], rows.outcome());
  };
}

// A user who comes again with his cookie, and now and then writes.
auto user(Agent& agent) {
  const auto plain = agent.db.prepare<std::int64_t>(kValue).tag(item_tag).ttl(1h);
  return [&agent, plain, cookie = std::string(), seen = std::map<std::int64_t, std::int64_t>()](
             Lots& lots, Tally& tally) mutable {
    const std::int64_t id = lots.below(kIds);
    UserSession session = agent.db.user_session(cookie).monotonic();
    if (lots.one_in(2)) {
      std::int64_t version = 0;
      session.write([&](Transaction& tx) {
        version = number_of(tx, kRaise, id);
        agent.declare(tx, id, lots);
      });
      agent.wrote(tally, Table::item, id, version);
      seen[id] = version;
    }
    const Due due = Judge::at_least(Table::item, id, seen[id]);
    const auto rows = plain.reading(session)(id);
    agent.judge.judge(tally, due, rows[0], rows.outcome());
    seen[id] = std::max(seen[id], rows[0]);
    cookie = session.str();
  };
}

}  // namespace

Actions fresh_reads(Agent& agent) {
  const auto plain = agent.db.prepare<std::int64_t>(kValue).tag(item_tag).ttl(1h);
  Actions actions;
  actions.push_back({"strong", 5, [&agent, plain](Lots& lots, Tally& tally) {
                       const std::int64_t id = lots.below(kIds);
                       const Due due = agent.judge.row(Sees::all, Table::item, id);
                       const auto rows = plain.strong()(id);
                       agent.judge.judge(tally, due, rows[0], rows.outcome());
                     }});
  actions.push_back({"at_least", 3, [&agent, plain](Lots& lots, Tally& tally) {
                       const auto found = drawn(agent, lots);
                       if (!found) return;
                       const auto& [receipt, left] = *found;
                       const Due due = Judge::at_least(Table::item, left.id, left.version);
                       const auto rows = plain.at_least(receipt)(left.id);
                       agent.judge.judge(tally, due, rows[0], rows.outcome());
                     }});
  actions.push_back({"waited for", 3, waited(agent, false)});
  actions.push_back({"waited for by all", 1, waited(agent, true)});
  actions.push_back({"user", 3, user(agent)});
  return actions;
}

}  // namespace querymark::test::soak

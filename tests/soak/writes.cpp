// Writes through the library.

#include <chrono>
#include <thread>

#include "soak/agent.hpp"

namespace querymark::test::soak {
namespace {

using namespace std::chrono_literals;

struct OwnRollback {};

// With its intents; some hold their locks for a while, some are rolled back.
auto declared(Agent& agent) {
  return [&agent](Lots& lots, Tally& tally) {
    const std::int64_t id = lots.below(kIds);
    std::int64_t version = 0;
    try {
      const auto written = agent.db.write([&](Transaction& tx) {
        version = number_of(tx, kRaise, id);
        if (lots.one_in(4)) std::this_thread::sleep_for(1us * lots.below(3000));
        agent.declare(tx, id, lots);
        if (lots.one_in(50)) throw OwnRollback{};
      });
      agent.wrote(tally, Table::item, id, version);
      agent.ledger.leave(static_cast<std::size_t>(lots.below(kPlacesOfReceipts)),
                         {.receipt = written.receipt.str(), .id = id, .version = version});
    } catch (const OwnRollback&) {
      return;  // nobody was told of a commit
    }
  };
}

}  // namespace

Actions writes(Agent& agent) {
  Actions actions;
  actions.push_back({"write", 8, declared(agent)});
  actions.push_back({"write, told of by triggers", 3, [&agent](Lots& lots, Tally& tally) {
                       const std::int64_t id = lots.below(kIds);
                       std::int64_t version = 0;
                       agent.db.write(
                           [&](Transaction& tx) { version = number_of(tx, kRaiseAutomatic, id); });
                       agent.wrote(tally, Table::auto_item, id, version);
                     }});
  actions.push_back({"write, sent", 3, [&agent](Lots& lots, Tally& tally) {
                       const std::int64_t id = lots.below(kIds);
                       std::int64_t version = 0;
                       agent.db.write([&](Transaction& tx) {
                         tx.send("update item set v = v + 1 where id = $1", id);
                         version = number_of(tx, kValue, id);
                         agent.declare(tx, id, lots);
                       });
                       agent.wrote(tally, Table::item, id, version);
                     }});
  actions.push_back({"flush of this process", 1, [&agent](Lots& lots, Tally& tally) {
                       if (!lots.one_in(10)) return;
                       agent.db.flush_local();
                       ++tally.done;
                     }});
  return actions;
}

}  // namespace querymark::test::soak

// Queries inside transactions of the library.

#include <chrono>

#include "soak/agent.hpp"

namespace querymark::test::soak {

Actions in_transactions(Agent& agent) {
  using namespace std::chrono_literals;
  const auto plain = agent.db.prepare<std::int64_t>(kValue).tag(item_tag).ttl(1h);
  Actions actions;
  actions.push_back({"in a write", 3, [&agent, plain](Lots& lots, Tally& tally) {
                       const std::int64_t id = lots.below(kIds);
                       const Due due = agent.judge.row(Sees::own, Table::item, id);
                       agent.db.write([&](Transaction& tx) {
                         const auto before = plain.in(tx)(id);
                         agent.judge.judge(tally, due, before[0], before.outcome());
                         const std::int64_t locked =
                             number_of(tx, "update item set v = v where id = $1 returning v", id);
                         const auto after = plain.in(tx)(id);
                         if (after[0] != locked)
                           agent.ledger.found(
                               "WRONG: a transaction does not see what it has locked");
                       });
                     }});
  actions.push_back({"in a read transaction", 2, [&agent, plain](Lots& lots, Tally& tally) {
                       const std::int64_t id = lots.below(kIds);
                       const Due due = agent.judge.row(Sees::all, Table::item, id);
                       agent.db.read_transaction([&](ReadTransaction& tx) {
                         const auto rows = plain.in(tx)(id);
                         agent.judge.judge(tally, due, rows[0], rows.outcome());
                       });
                     }});
  // The oracle's own ground: what was acknowledged is there, whatever became of the server.
  actions.push_back({"uncached", 1, [&agent](Lots& lots, Tally& tally) {
                       const std::int64_t id = lots.below(kIds);
                       const Due due = agent.judge.row(Sees::all, Table::item, id);
                       const auto rows =
                           agent.db.query(kValue, id).uncached().fetch_as<std::int64_t>();
                       agent.judge.judge(tally, due, rows[0], rows.outcome());
                     }});
  return actions;
}

}  // namespace querymark::test::soak

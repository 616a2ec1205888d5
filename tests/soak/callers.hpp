#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "soak/agent.hpp"

// What an agent does by connections of its own, whichever the database. `Own` is its transaction on one: made of the
// connection, it raises values, names what the library takes for a caller's transaction, and commits.

namespace querymark::test::soak {

/// One thread's plain connection; made anew after a failure, in which it may be anything.
template <class Native>
class OwnConnection {
 public:
  explicit OwnConnection(std::function<std::unique_ptr<Native>()> open) : open_(std::move(open)) {}

  template <class Function>
  void use(Function&& function) {
    if (!connection_) connection_ = open_();
    try {
      function(*connection_);
    } catch (...) {
      connection_.reset();
      throw;
    }
  }

 private:
  std::function<std::unique_ptr<Native>()> open_;
  std::unique_ptr<Native> connection_;
};

template <class Own, class Native>
auto stranger(Agent& agent, const std::shared_ptr<OwnConnection<Native>>& own) {
  return [&agent, own](Lots& lots, Tally& tally) {
    own->use([&](Native& connection) {
      const std::int64_t id = lots.below(kIds);
      Own tx(connection);
      const std::int64_t version = tx.raised(Table::auto_item, id);
      tx.commit();
      agent.wrote_past_it(tally, Table::auto_item, id, version);
    });
  };
}

template <class Own, class Native>
auto staged(Agent& agent, const std::shared_ptr<OwnConnection<Native>>& own) {
  return [&agent, own](Lots& lots, Tally& tally) {
    own->use([&](Native& connection) {
      const std::int64_t id = lots.below(kIds);
      Own tx(connection);
      const std::int64_t version = tx.raised(Table::item, id);
      IntentBatch intents;
      intents.add(item_tag(id)).add(group_tag(group_of(id)));
      auto staged = agent.db.stage(tx.callers(), intents);
      tx.commit();
      if (lots.one_in(2)) {
        staged.committed();
        agent.wrote(tally, Table::item, id, version);
      } else {
        agent.wrote_past_it(tally, Table::item, id, version);
      }
    });
  };
}

}  // namespace querymark::test::soak

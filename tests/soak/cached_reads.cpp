// Reads that memory, a tier or the database answers, of each kind that differs on the way: lives, policies,
// leases, many at once, tags that are declared and tags that are found out.

#include <chrono>

#include "soak/agent.hpp"

namespace querymark::test::soak {
namespace {

using namespace std::chrono_literals;

struct Row {
  std::int64_t id;
  std::int64_t v;
};

void one_row(Agent& agent, Actions& actions) {
  const auto read_by = [&agent](auto query) {
    return [&agent, query](Lots& lots, Tally& tally) {
      const std::int64_t id = lots.below(kIds);
      const Due due = agent.judge.row(Sees::own, Table::item, id);
      const auto rows = query(id);
      agent.judge.judge(tally, due, rows[0], rows.outcome());
    };
  };
  const auto plain = agent.db.prepare<std::int64_t>(kValue).tag(item_tag).ttl(1h);
  actions.push_back({"plain", 50, read_by(plain)});
  const auto short_lived =
      agent.db.prepare<std::int64_t>("select v from item where id = $1 and true")
          .tag(item_tag)
          .ttl(150ms)
          .policy({.jitter = .5,
                   .stale_if_error = 10s,
                   .stale_while_refreshing = 10s,
                   .refresh_ahead = .3});
  actions.push_back({"short-lived", 12, read_by(short_lived)});
  const auto herd = agent.db.prepare<std::int64_t>("select v from item where id = $1 and 1 = 1")
                        .tag(item_tag)
                        .ttl(1h)
                        .policy({.revalidate_within = 500ms});
  actions.push_back({"revalidated", 6, [&agent, herd](Lots& lots, Tally& tally) {
                       const std::int64_t id = lots.below(kIds);
                       const Due due = agent.judge.row(Sees::own, Table::item, id);
                       const auto rows = herd(id);
                       if (rows.outcome().status == ReadStatus::outdated) return;  // as it says
                       agent.judge.judge(tally, due, rows[0], rows.outcome());
                     }});
  const auto leased = agent.db.prepare<std::int64_t>("select v from item where id = $1 and 2 = 2")
                          .tag(item_tag)
                          .ttl(1h)
                          .lease(200ms);
  actions.push_back({"leased", 4, read_by(leased)});
  actions.push_back(
      {"get_or_load", 3, [&agent](Lots& lots, Tally& tally) {
         const std::int64_t id = lots.below(kIds);
         const Due due = agent.judge.row(Sees::own, Table::item, id);
         const auto value = agent.db.get_or_load<std::int64_t>(
             "item " + std::to_string(id), {.tags = {item_tag(id)}, .ttl = 1h}, [&] {
               const auto rows =
                   agent.db.query(kValue, id).uncached().template fetch_as<std::int64_t>();
               return rows[0];
             });
         agent.judge.judge(tally, due, *value, value.outcome());
       }});
}

void many_rows(Agent& agent, Actions& actions) {
  const auto many = agent.db.prepare_many<Row>(kValues).tag(item_tag).ttl(1h);
  const auto of = [&agent, many](Sees sees) {
    return [&agent, many, sees](Lots& lots, Tally& tally) {
      std::vector<std::int64_t> ids;
      std::vector<Due> due;
      for (int i = 0; i < 10; ++i) {
        ids.push_back(lots.below(kIds));
        due.push_back(agent.judge.row(sees, Table::item, ids.back()));
      }
      const auto all = sees == Sees::all ? many.strong().fetch_many(ids) : many.fetch_many(ids);
      for (std::size_t i = 0; i < ids.size(); ++i) {
        if (all[i][0].id != ids[i])
          agent.ledger.found("WRONG: fetch_many gave another row: " + std::to_string(ids[i]));
        agent.judge.judge(tally, due[i], all[i][0].v, all[i].outcome());
      }
    };
  };
  actions.push_back({"many", 4, of(Sees::own)});
  actions.push_back({"many, strong", 2, of(Sees::all)});

  const auto sum =
      agent.db.prepare<std::int64_t>("select cast(sum(v) as bigint) from item where grp = $1")
          .tag(group_tag)
          .ttl(1h);
  const auto sum_of = [&agent, sum](Sees sees) {
    return [&agent, sum, sees](Lots& lots, Tally& tally) {
      const std::int64_t group = lots.below(kGroups);
      const Due due = agent.judge.group(sees, Table::item, group);
      const auto rows = sees == Sees::all ? sum.strong()(group) : sum(group);
      agent.judge.judge(tally, due, rows[0], rows.outcome());
    };
  };
  actions.push_back({"group", 6, sum_of(Sees::own)});
  actions.push_back({"group, strong", 2, sum_of(Sees::all)});
}

void automatic(Agent& agent, Actions& actions) {
  const auto one = agent.db.prepare<std::int64_t>(kAutomaticValue).tagging(Tags::automatic).ttl(1h);
  const auto one_of = [&agent, one](Sees sees) {
    return [&agent, one, sees](Lots& lots, Tally& tally) {
      const std::int64_t id = lots.below(kIds);
      const Due due = agent.judge.row(sees, Table::auto_item, id);
      const auto rows = sees == Sees::all ? one.strong()(id) : one(id);
      agent.judge.judge(tally, due, rows[0], rows.outcome());
    };
  };
  actions.push_back({"automatic", 12, one_of(Sees::own)});
  actions.push_back({"automatic, strong", 4, one_of(Sees::all)});

  const auto sum =
      agent.db.prepare<std::int64_t>("select cast(sum(v) as bigint) from auto_item where grp = $1")
          .tagging(Tags::automatic)
          .ttl(1h);
  const auto sum_of = [&agent, sum](Sees sees) {
    return [&agent, sum, sees](Lots& lots, Tally& tally) {
      const std::int64_t group = lots.below(kGroups);
      const Due due = agent.judge.group(sees, Table::auto_item, group);
      const auto rows = sees == Sees::all ? sum.strong()(group) : sum(group);
      agent.judge.judge(tally, due, rows[0], rows.outcome());
    };
  };
  actions.push_back({"automatic group", 2, sum_of(Sees::own)});
  actions.push_back({"automatic group, strong", 1, sum_of(Sees::all)});

  struct Both {
    std::int64_t item;
    std::int64_t auto_item;
  };
  const auto join =
      agent.db
          .prepare<Both>(
              "select i.v as item, a.v as auto_item from item i join auto_item a on a.id = i.id "
              "where i.id = $1")
          .tagging(Tags::automatic)
          .ttl(1h);
  const auto join_of = [&agent, join](Sees sees) {
    return [&agent, join, sees](Lots& lots, Tally& tally) {
      const std::int64_t id = lots.below(kIds);
      const Due item = agent.judge.row(sees, Table::item, id);
      const Due auto_item = agent.judge.row(sees, Table::auto_item, id);
      const auto rows = sees == Sees::all ? join.strong()(id) : join(id);
      agent.judge.judge(tally, item, rows[0].item, rows.outcome());
      agent.judge.judge(tally, auto_item, rows[0].auto_item, rows.outcome());
    };
  };
  actions.push_back({"join", 4, join_of(Sees::own)});
  actions.push_back({"join, strong", 2, join_of(Sees::all)});
}

}  // namespace

Actions cached_reads(Agent& agent) {
  Actions actions;
  one_row(agent, actions);
  many_rows(agent, actions);
  automatic(agent, actions);
  return actions;
}

}  // namespace querymark::test::soak

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "querymark/querymark.hpp"
#include "soak/judge.hpp"
#include "soak/lots.hpp"
#include "soak/side.hpp"

namespace querymark::test::soak {

/// How an agent was started.
struct Setup {
  std::string address;  ///< Of the database.
  std::string ledger;
  std::string tier;  ///< Path of the file tier.
  std::string first_redis;
  std::string second_redis;
  std::string feed;  ///< Follow the log by this one, if there is one.
  std::uint64_t seed = 0;
  std::int64_t forget = 0;  ///< One write in so many drops its invalidations; zero: none.
  std::string standby{};    ///< Load from this one, if there is one,
  std::string proxy{};      ///< and read and write through this one.

  static constexpr std::chrono::milliseconds kMaxLag{3000};
};

/// A process with a cache on the soak's database, and what it knows.
struct Agent {
  explicit Agent(const Setup& setup);

  /// Declares what a write to a row of `item` invalidates.
  void declare(Transaction& tx, std::int64_t id, Lots& lots) const;
  /// A commit has returned: this process knows of it.
  void wrote(Tally& tally, Table table, std::int64_t id, std::int64_t version);
  /// The same of a commit that this process's cache was told nothing of.
  void wrote_past_it(Tally& tally, Table table, std::int64_t id, std::int64_t version);

  Setup setup;
  Ledger ledger;
  Floors own;
  Judge judge;
  Cache cache;
  std::unique_ptr<Database> database;
  Database& db;
};

/// Something that an agent's thread does again and again.
struct Action {
  std::string name;
  std::int64_t weight;  ///< How often, compared with others.
  std::function<void(Lots&, Tally&)> run;
};
/// What some threads do, with connections and the like of their own: one call for each thread.
using Actions = std::vector<Action>;

Actions cached_reads(Agent& agent);
Actions fresh_reads(Agent& agent);
Actions writes(Agent& agent);
Actions in_transactions(Agent& agent);
/// Coroutines on an event loop, which all threads of an agent share.
class EventLoop;
[[nodiscard]] std::shared_ptr<EventLoop> make_event_loop();
Actions awaited(Agent& agent, const std::shared_ptr<EventLoop>& loop);
/// What differs between databases: connections that are not the library's.
Actions of_callers(Agent& agent);

// --- what they ask for

inline constexpr const char* kValue = "select v from item where id = $1";
inline constexpr const char* kAutomaticValue = "select v from auto_item where id = $1";
inline constexpr const char* kRaise = "update item set v = v + 1 where id = $1 returning v";
inline constexpr const char* kRaiseAutomatic =
    "update auto_item set v = v + 1 where id = $1 returning v";

[[nodiscard]] inline Target item_tag(std::int64_t id) { return entity("item", id); }
[[nodiscard]] inline Target group_tag(std::int64_t group) { return collection("grp", group); }

/// The only number of a statement's result.
[[nodiscard]] std::int64_t number_of(Transaction& tx, const char* sql, std::int64_t id);

}  // namespace querymark::test::soak

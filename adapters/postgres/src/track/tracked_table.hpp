#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "connection.hpp"
#include "querymark/automatic/tracking.hpp"
#include "trigger_text.hpp"

namespace querymark::postgres {

/// A table with its partitions and children, as the catalogue shows it in an open transaction that has pinned
/// search_path.
struct TableFound {
  struct Trigger {
    std::string name{};
    char enabled = 'O';  ///< pg_trigger.tgenabled
    Firing firing = Firing::statement;
    std::string function{};
  };
  struct Member {
    std::int64_t oid = 0;
    std::string quoted{};  ///< With its schema.
    char kind = 'r';
    std::vector<Trigger> triggers{};
  };
  struct Column {
    std::string name{};
    std::string type{};
    bool routable = false;  ///< Equal values are written alike.
    int key = 0;            ///< Its place in the primary key, from 1; 0: in none.
  };
  struct Function {
    std::string source{};
    bool safe = false;       ///< Runs as its owner, under a pinned path.
    bool elsewhere = false;  ///< Tables that were detached report by it, too.
  };

  std::uint32_t root = 0;
  std::string name{};      ///< `schema.table` of the root, for people.
  std::string relation{};  ///< As relation_name() makes it.
  /// Why it can't be tracked; empty: it can.
  std::string refusal{};
  bool subscribed = false;        ///< Logical replication writes it.
  std::vector<Member> members{};  ///< The root first.
  std::vector<Column> columns{};
  std::map<std::string, Function> functions{};

  /// Whether any of our triggers is on any member.
  [[nodiscard]] bool tracked() const;
  [[nodiscard]] bool partitioned() const;
  /// What they report, of one of them that tells it.
  [[nodiscard]] std::optional<TrackedHead> head() const;
};

/// Throws Error.
[[nodiscard]] TableFound find_table(Connection& connection, std::uint32_t table);

/// Which columns tell rows apart, as they were asked for, or are: and why they can't, in `note`. Throws ConfigError
/// for columns that were asked for and can't.
[[nodiscard]] TrackedHead head_for(const TableFound& table, const TrackOptions& options,
                                   std::string& note);

/// The statements that make the triggers what they should be; none: they are.
[[nodiscard]] std::vector<std::string> statements_to_track(const TableFound& table,
                                                           const TrackedHead& head, Firing firing);
/// Those that take them away; none: there are none.
[[nodiscard]] std::vector<std::string> statements_to_untrack(const TableFound& table);
/// How its triggers fire, or should.
[[nodiscard]] Firing firing_for(const TableFound& table, const TrackOptions& options);

}  // namespace querymark::postgres

#pragma once

#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "support/child.hpp"

namespace querymark::test {

/// The price in an agent's answer, such as "2.5 memory".
inline std::string price_of(const std::string& answer) {
  return answer.substr(0, answer.find(' '));
}

struct Tally {
  int checked = 0;
  int hits = 0;    ///< Served from memory or a shared tier.
  int shared = 0;  ///< Of those, from a shared tier.
  int stale = 0;
  int cut_off = 0;  ///< Waits that what had happened kept from ending.
};

struct Rounds {
  unsigned seed;
  int count;
  int forget_every = 0;  ///< One write in so many drops its invalidation; zero: none.
  /// What happens may keep a wait from being satisfied until it is over.
  bool cuts_off = false;
};

/// Writes in one of two agents, waits in the other, and compares what their caches serve with the
/// database. `strike` happens behind each write, `calm` behind the first look at what came of it.
template <class Strike, class Calm>
Tally differential(Child& first, Child& second, const Rounds& rounds, Strike&& strike,
                   Calm&& calm) {
  std::mt19937 random(rounds.seed);
  Tally tally;
  const auto check = [&](Child& child, const std::string& id) {
    const std::string cached = child.ask("get " + id);
    const std::string direct = child.ask("direct " + id);
    ++tally.checked;
    if (cached.find("database") == std::string::npos) ++tally.hits;
    if (cached.find("shared") != std::string::npos) ++tally.shared;
    if (price_of(cached) != direct) ++tally.stale;
  };
  for (int round = 1; round <= rounds.count; ++round) {
    Child& writer = random() % 2 == 0 ? first : second;
    Child& reader = &writer == &first ? second : first;
    const std::string id = std::to_string(1 + random() % 3);
    static_cast<void>(reader.ask("get " + id));  // something to be stale
    const bool forget = rounds.forget_every > 0 && round % rounds.forget_every == 0;
    const std::string receipt =
        writer.ask((forget ? "forget " : "set ") + id + ' ' + std::to_string(round));
    strike();
    const bool satisfied =
        reader.ask((rounds.cuts_off ? "soon " : "wait ") + receipt) == "satisfied";
    if (satisfied) check(reader, id);
    calm();
    if (!satisfied) {
      REQUIRE(rounds.cuts_off);
      ++tally.cut_off;
      REQUIRE(reader.ask("wait " + receipt) == "satisfied");
    }
    check(reader, id);
    check(writer, id);
  }
  return tally;
}

}  // namespace querymark::test

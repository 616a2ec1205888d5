#pragma once

#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "property/random.hpp"

namespace querymark::test {

/// With {n} and {m} one of the rows, {k} a value.
inline std::string drawn(std::string sql, Choices& choices) {
  for (std::size_t at = 0; (at = sql.find('{', at)) != std::string::npos;) {
    const std::size_t most = sql[at + 1] == 'k' ? 6 : 10;
    sql.replace(at, 3, std::to_string(1 + choices.below(most)));
  }
  return sql;
}

inline const std::string& one_of(const std::vector<std::string>& texts, Choices& choices) {
  return texts[choices.below(texts.size())];
}

/// What one turn of a hunt has done to the database, and with what failure.
struct Act {
  std::string what;
  std::string failure{};
};

/// Runs it, and keeps the failure.
template <class Run>
Act attempt(std::string what, Run&& run) {
  Act act{.what = std::move(what)};
  try {
    run();
  } catch (const std::exception& failure) {
    act.failure = failure.what();
  }
  return act;
}

}  // namespace querymark::test

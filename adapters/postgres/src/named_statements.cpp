#include <algorithm>
#include <deque>
#include <vector>

#include "connection_talk.hpp"
#include "querymark/postgres/types.hpp"
#include "values.hpp"

// The adapter's own statements, which a connection prepares when it first needs them.

namespace querymark::postgres {

template <class Run>
decltype(auto) Connection::with_prepared(Run&& run) {
  try {
    return run();
  } catch (const Error& failure) {
    // Another session than the one that prepared it, or another schema: only a new connection
    // helps.
    const std::string& state = failure.native_code();
    if (state == "26000" || state == "42P05" || state == "0A000") lost_ = true;
    throw;
  }
}

ResultHandle Connection::run_named(const SqlStatement& sql, std::span<const ParameterView> values) {
  const std::string doing = "run \"" + std::string(sql.name) + '"';
  const Call call{.doing = doing, .timeout = settings_.statement_timeout, .own = sql.name};
  const Bound bound(values);
  return with_prepared([&] {
    prepare(call, sql);
    return ask(call, [&](PGconn* native) { return send_prepared(native, sql.name, bound); });
  });
}

void Connection::prepare(const Call& call, const SqlStatement& sql) {
  if (prepared_.contains(std::string_view(sql.name))) return;
  ask(call, [&](PGconn* native) { return PQsendPrepare(native, sql.name, sql.text, 0, nullptr); });
  prepared_.insert(sql.name);
}

std::vector<ResultSet> Connection::query_named(std::span<const NamedCall> calls) {
  const std::string doing = "run \"" + std::string(calls[0].sql.name) + '"';
  const Call call{.doing = doing, .timeout = settings_.statement_timeout, .own = calls[0].sql.name};
  std::deque<Bound> bound;  // stays where it is
  std::vector<Step> steps;
  steps.reserve(calls.size());
  for (const NamedCall& named : calls)
    steps.push_back(
        {.text = named.sql.name, .bound = &bound.emplace_back(named.values), .prepared = true});
  std::vector<ResultHandle> results(calls.size());
  with_prepared([&] {
    for (const NamedCall& named : calls) prepare(call, named.sql);
    guarded(call, [&](auto&& ended) {
      ResultHandle failed;
      const bool in_step = pipeline(steps, results, failed);
      ended();
      if (!in_step || failed ||
          !std::ranges::all_of(results, [](const auto& one) { return one != nullptr; }))
        fail(call, failed.get());
    });
  });
  std::vector<ResultSet> rows;
  rows.reserve(results.size());
  for (const ResultHandle& result : results) rows.push_back(rows_of(result.get()));
  return rows;
}

ResultSet Connection::query_named(const SqlStatement& sql,
                                  std::initializer_list<ParameterView> values) {
  return rows_of(run_named(sql, {values.begin(), values.size()}).get());
}

ResultSet Connection::query_named_as_stored(const SqlStatement& sql,
                                            std::initializer_list<ParameterView> values) {
  run("set client_encoding = 'SQL_ASCII'");
  try {
    const ResultHandle result = run_named(sql, {values.begin(), values.size()});
    run("set client_encoding = 'UTF8'");
    return spelt_rows_of(result.get());
  } catch (...) {
    lost_ = true;  // nothing else may be asked in that encoding
    throw;
  }
}

std::int64_t Connection::execute_named(const SqlStatement& sql,
                                       std::initializer_list<ParameterView> values) {
  return affected(run_named(sql, {values.begin(), values.size()}).get());
}

}  // namespace querymark::postgres

#include <array>

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

std::pair<ResultSet, ResultSet> Connection::query_named(const NamedCall& first,
                                                        const NamedCall& second) {
  const std::string doing = "run \"" + std::string(first.sql.name) + '"';
  const Call call{.doing = doing, .timeout = settings_.statement_timeout, .own = first.sql.name};
  const Bound first_bound({first.values.begin(), first.values.size()});
  const Bound second_bound({second.values.begin(), second.values.size()});
  const std::array<Step, 2> steps{
      {{.text = first.sql.name, .bound = &first_bound, .prepared = true},
       {.text = second.sql.name, .bound = &second_bound, .prepared = true}}};
  std::array<ResultHandle, 2> results;
  with_prepared([&] {
    prepare(call, first.sql);
    prepare(call, second.sql);
    guarded(call, [&](auto&& ended) {
      ResultHandle failed;
      const bool in_step = pipeline(steps, results, failed);
      ended();
      if (!in_step || failed || !results[0] || !results[1]) fail(call, failed.get());
    });
  });
  return {rows_of(results[0].get()), rows_of(results[1].get())};
}

ResultSet Connection::query_named(const SqlStatement& sql,
                                  std::initializer_list<ParameterView> values) {
  return rows_of(run_named(sql, {values.begin(), values.size()}).get());
}

std::int64_t Connection::execute_named(const SqlStatement& sql,
                                       std::initializer_list<ParameterView> values) {
  return affected(run_named(sql, {values.begin(), values.size()}).get());
}

}  // namespace querymark::postgres

#include "connection.hpp"
#include "connection_talk.hpp"

// The round trips of a write: what begins it goes out with its first statement, what ends it with the last one.

namespace querymark::postgres {

// Throws for the first one that has no result, by its own name.
void Connection::take_sent(std::span<const Sent> sent, std::span<ResultHandle> results,
                           const ResultHandle& failed) {
  for (std::size_t i = 0; i < sent.size(); ++i) {
    if (!results[i])
      fail(callers_call("run a statement", sent[i].sql, sent[i].values.size()), failed.get());
    if (sent[i].changed != nullptr) *sent[i].changed = affected(results[i].get());
  }
}

// What was sent, and the statement behind it, whose answers these are.
void Connection::take_first(const Call& call, std::span<const Sent> sent,
                            std::span<ResultHandle> results, const ResultHandle& failed,
                            First& first) {
  take_sent(sent, results, failed);
  if (results.size() > sent.size() + 1) {  // it was prepared on the way
    const ResultHandle& described = results[sent.size() + kPreparing - 1];
    first.prepared = described != nullptr;
    settled_types_ = parameter_types(described.get());
  }
  if (!results.back()) fail(call, failed.get());
}

void Connection::fill(First& first, const PGresult* result) {
  first.rows = named_rows(result);
  first.changed = affected(result);
}

void Connection::begin_with(const Part& begin, const char* beginning, std::span<const Sent> sent,
                            std::string_view sql, std::span<const ParameterView> values,
                            const Prepared& statement, First& first) {
  const std::string text(sql);
  const Call beginning_call{"begin a write", settings_.statement_timeout};
  Call call = callers_call("run a statement", text, values.size());
  call.behind_late = true;
  const Part begins{.text = beginning, .kind = Part::Kind::named};
  Steps steps(sent.size() + 3);
  steps.add(begin);
  steps.add(begins);
  steps.add(sent);
  steps.add(text, values, statement);
  std::vector<ResultHandle> results(steps.size());
  guarded(call, [&](auto&& ended) {
    ResultHandle failed;
    const std::size_t late = pipeline_.owed();
    bool in_step = pipeline_.send(steps.all()) && pipeline_.end() && take_late(late);
    if (in_step) {
      pipeline_.take(results, failed);
      in_step = pipeline_.finish();
    }
    ended();
    if (!in_step) lost_ = true;
    first.begun = in_step && results[0] && results[1];
    if (!first.begun) fail(beginning_call, failed.get());
    first.beginning = rows_of(results[1].get());
    take_first(call, sent, std::span(results).subspan(2), failed, first);
  });
  fill(first, results.back().get());
}

Connection::First Connection::run_after(std::span<const Sent> sent, std::string_view sql,
                                        std::span<const ParameterView> values) {
  const std::string text(sql);
  const Call call = callers_call("run a statement", text, values.size());
  Steps steps(sent.size() + 1);
  steps.add(sent);
  steps.add(text, values);
  std::vector<ResultHandle> results(steps.size());
  First first;
  guarded(call, [&](auto&& ended) {
    ResultHandle failed;
    const bool in_step = pipeline(steps.all(), results, failed);
    ended();
    if (!in_step) fail(call, failed.get());
    take_first(call, sent, results, failed, first);
  });
  fill(first, results.back().get());
  return first;
}

ResultSet Connection::begin_ahead(const Part& begin, const char* beginning,
                                  std::span<const Sent> sent, const Prepared& first,
                                  std::span<const Part> behind) {
  const Part begins{.text = beginning, .kind = Part::Kind::named};
  Steps steps(sent.size() + behind.size() + 2);
  steps.add(begin);
  steps.add(begins);
  steps.add(sent, first);
  steps.add(behind);
  behind_ahead_ = behind.size();
  const Call call{
      .doing = "begin a write", .timeout = settings_.statement_timeout, .behind_late = true};
  std::vector<ResultHandle> results(steps.size());
  const auto front = std::span(results).first(2);
  guarded(call, [&](auto&& ended) {
    ResultHandle failed;
    const std::size_t late = pipeline_.owed();
    bool in_step = pipeline_.send(steps.all().first(2)) && pipeline_.request_answers() &&
                   pipeline_.send(steps.all().subspan(2)) && pipeline_.flush() && take_late(late);
    if (in_step) pipeline_.take(front, failed);
    const bool begun = front[0] && front[1];
    if (in_step && !begun) {
      in_step = pipeline_.end();
      pipeline_.take(std::span(results).subspan(2), failed);
      in_step = in_step && pipeline_.finish();
    }
    ended();
    if (!in_step) lost_ = true;
    if (!begun) fail(call, failed.get());
  });
  return rows_of(front[1].get());
}

ResultSet Connection::run_parts(const Call& call, std::span<const Sent> sent,
                                std::span<const Part> parts, const Unawaited& unawaited) {
  const std::size_t before = ahead() ? pipeline_.owed() : 0;
  Steps steps(sent.size() + parts.size());
  if (before == 0) steps.add(sent);
  steps.add(parts);
  Steps behind(unawaited.parts.size());
  behind.add(unawaited.parts);
  std::vector<ResultHandle> results(before + steps.size());
  prepared_ahead_ = false;
  guarded(call, [&](auto&& ended) {
    ResultHandle failed;
    bool in_step = pipeline_.send(steps.all());
    if (behind.size() > 0)
      in_step = in_step && pipeline_.request_answers() && pipeline_.send(behind.all());
    in_step = in_step && pipeline_.end();
    if (in_step) pipeline_.take(results, failed);
    late_session_ = unawaited.session;
    if (in_step && (failed || behind.size() == 0)) {
      std::vector<ResultHandle> rest(behind.size());
      pipeline_.take(rest, failed);
      in_step = pipeline_.finish();
    }
    ended();
    if (!in_step) lost_ = true;
    if (!in_step) fail(call, failed.get());
    // Where the first of them was prepared on the way, that has results of its own.
    const std::size_t extra = before > sent.size() + behind_ahead_ ? kPreparing : 0;
    if (extra > 0) {
      prepared_ahead_ = results[extra - 1] != nullptr;
      settled_types_ = parameter_types(results[extra - 1].get());
    }
    take_sent(sent, std::span(results).subspan(extra), failed);
    if (failed) fail(call, failed.get());
  });
  return rows_of(results.back().get());
}

ResultSet Connection::run_commit(std::span<const Sent> sent, std::span<const Part> parts,
                                 const Unawaited& unawaited) {
  return run_parts({"commit", settings_.statement_timeout, false}, sent, parts, unawaited);
}

ResultSet Connection::run_rollback(std::span<const Part> parts) {
  return run_parts({"roll back", kRollbackPatience}, {}, parts, {});
}

}  // namespace querymark::postgres

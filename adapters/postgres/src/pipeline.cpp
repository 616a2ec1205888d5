#include "pipeline.hpp"

#include <algorithm>
#include <charconv>

#include "parameter_count.hpp"
#include "values.hpp"

namespace querymark::postgres {

Bound::Bound(std::span<const ParameterView> values) {
  require_sendable(values.size());
  texts.reserve(values.size());
  for (const ParameterView value : values) texts.push_back(text_of(value));
  for (const auto& text : texts) pointers.push_back(text ? text->c_str() : nullptr);
}

bool send_bound(PGconn* native, const char* sql, const Bound& bound) {
  return PQsendQueryParams(native, sql, bound.size(), nullptr, bound.pointers.data(), nullptr,
                           nullptr, 0) != 0;
}

bool send_prepared(PGconn* native, const char* name, const Bound& bound) {
  return PQsendQueryPrepared(native, name, bound.size(), bound.pointers.data(), nullptr, nullptr,
                             0) != 0;
}

bool is_failure(const PGresult* result) noexcept {
  switch (PQresultStatus(result)) {
    case PGRES_EMPTY_QUERY:
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
    case PGRES_PIPELINE_SYNC:
      return false;
    default:
      return true;
  }
}

std::int64_t affected(const PGresult* result) {
  const std::string_view text = PQcmdTuples(const_cast<PGresult*>(result));
  std::int64_t rows = 0;
  std::from_chars(text.data(), text.data() + text.size(), rows);
  return rows;
}

std::vector<unsigned> parameter_types(const PGresult* description) {
  std::vector<unsigned> types;
  const int count = PQnparams(description);
  types.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) types.push_back(PQparamtype(description, i));
  return types;
}

bool Step::send(PGconn* native) const {
  static const Bound kNothing{std::span<const ParameterView>()};
  const Bound& values = bound != nullptr ? *bound : kNothing;
  if (prepare_as != nullptr) return PQsendPrepare(native, prepare_as, text, 0, nullptr) != 0;
  if (describe) return PQsendDescribePrepared(native, text) != 0;
  return prepared ? send_prepared(native, text, values) : send_bound(native, text, values);
}

void add_steps(std::vector<Step>& steps, const char* sql, const Bound& bound, const Prepared& as) {
  const bool by_name = !as.name.empty();
  if (by_name && !as.already) {
    steps.push_back({.text = sql, .prepare_as = as.name.c_str()});
    steps.push_back({.text = as.name.c_str(), .describe = true});
  }
  steps.push_back({.text = by_name ? as.name.c_str() : sql, .bound = &bound, .prepared = by_name});
}

Steps::Steps(std::size_t most) {
  bound_.reserve(most);
  steps_.reserve(most + kPreparing);  // one of them may have to be prepared
}

void Steps::add(const Part& part) {
  bound_.emplace_back(part.values);
  steps_.push_back({.text = part.text.c_str(),
                    .bound = &bound_.back(),
                    .prepared = part.kind == Part::Kind::named});
}

void Steps::add(std::span<const Part> parts) {
  for (const Part& part : parts) add(part);
}

void Steps::add(const std::string& sql, std::span<const ParameterView> values, const Prepared& as) {
  add_steps(steps_, sql.c_str(), bound_.emplace_back(values), as);
}

void Steps::add(std::span<const Sent> sent, const Prepared& first) {
  static const Prepared kAsText{};
  for (const Sent& one : sent)
    add(one.sql, std::vector<ParameterView>(one.values.begin(), one.values.end()),
        &one == sent.data() ? first : kAsText);
}

bool Pipeline::send(std::span<const Step> steps) {
  if (PQenterPipelineMode(native_) == 0) return false;
  owed_ += steps.size();
  return std::ranges::all_of(steps, [&](const Step& step) { return step.send(native_); });
}

bool Pipeline::request_answers() { return PQsendFlushRequest(native_) != 0; }

bool Pipeline::flush() { return PQflush(native_) == 0; }

bool Pipeline::end() {
  ++ends_;
  return PQpipelineSync(native_) != 0;
}

void Pipeline::take(std::span<ResultHandle> results, ResultHandle& failed) {
  for (ResultHandle& result : results) take_one(result, failed);
  owed_ -= results.size();
}

bool Pipeline::finish() {
  const ResultHandle synced{PQgetResult(native_)};
  --ends_;
  return PQresultStatus(synced.get()) == PGRES_PIPELINE_SYNC &&
         (ends_ > 0 || owed_ > 0 || PQexitPipelineMode(native_) != 0);
}

bool Pipeline::run(std::span<const Step> steps, std::span<ResultHandle> results,
                   ResultHandle& failed) {
  if (!send(steps) || !end()) return false;
  take(results, failed);
  return finish();
}

// It may not be left half done.
void Pipeline::finish_copy(ExecStatusType direction) {
  if (direction == PGRES_COPY_IN) {
    PQputCopyEnd(native_, "COPY is not supported here");
    return;
  }
  char* line = nullptr;
  while (PQgetCopyData(native_, &line, 0) > 0) PQfreemem(line);
}

void Pipeline::take_one(ResultHandle& last, ResultHandle& failed) {
  while (ResultHandle result{PQgetResult(native_)}) {
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
      tags_.emplace_back("COPY");
      finish_copy(status);
    } else if (is_failure(result.get())) {
      if (!failed) failed = std::move(result);
    } else {
      tags_.emplace_back(PQcmdStatus(result.get()));
      last = std::move(result);
    }
  }
}

}  // namespace querymark::postgres

#include "open_write.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <vector>

#include "pooled_connection.hpp"
#include "postgres_sql.hpp"
#include "querymark/support/ascii.hpp"
#include "querymark/support/sql_text.hpp"
#include "session.hpp"
#include "sql_tokens.hpp"
#include "statement_text.hpp"
#include "write_start.hpp"

// States: standing -> failed (a statement failed; ROLLBACK TO a savepoint leads back) -> ended.
// Which of them it is, the server says with each answer; only between standing and ended, when a
// command may have begun another transaction at once (AND CHAIN), the id tells.

namespace querymark::postgres {
namespace {

constexpr std::array<std::string_view, 8> kSendable{"insert", "update", "delete", "merge",
                                                    "select", "with",   "values", "table"};
// More go out with one that is awaited, so that neither side keeps many answers.
constexpr std::size_t kMostSent = 100;

bool holds(std::string_view lower, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(
      words, [&](std::string_view word) { return lower.find(word) != std::string_view::npos; });
}

}  // namespace

OpenWrite::OpenWrite(WriteStart& start) : start_(&start), connection_(start.connection()) {
  if (const PendingWrite* pending = start.pending())
    position_ = std::to_string(pending->receipt.position.value);
}

bool OpenWrite::begun() const noexcept { return start_ == nullptr || start_->begun(); }

// A transaction that has no position did not begin as one of ours.
template <class Begin>
auto OpenWrite::begin(Begin&& begin) {
  const auto look = [&] {
    connection_ = start_->connection();
    const PendingWrite* const pending = start_->pending();
    ended_ = connection_ == nullptr || pending == nullptr;
    if (!ended_) position_ = std::to_string(pending->receipt.position.value);
  };
  try {
    auto first = begin();
    look();
    return first;
  } catch (...) {  // rethrown
    look();
    throw;
  }
}

template <class Action, class Take>
auto OpenWrite::run(std::string_view sql, std::span<const ParameterView> values, Action&& action,
                    Take&& take) {
  require_ours("what ran before");
  require_inside_transaction(sql, connection_->backslash());
  distrust_after(sql, values);
  const std::vector<Sent> sent = std::exchange(sent_, {});
  try {
    auto result = [&] {
      if (!begun())
        if (auto first = begin([&] { return start_->begin_with(sent, sql, values); }))
          return take(*first);
      if (sent.empty()) return action();
      Connection::First first = connection_->run_after(sent, sql, values);
      return take(first);
    }();
    require_ours(sql);
    return result;
  } catch (const Error& failure) {
    const bool after_another = failure.native_code() == "25P02";  // the first is to blame
    if (failure_.empty() || !(ended_ || after_another)) {
      if (sent.empty())
        blame(sql, failure.what());
      else
        failure_ = failure.what();  // it names the one
      traits_ = {failure.retryable(), failure.connection_lost(), false, failure.native_code()};
    }
    if (!ended_)
      ended_ = connection_->standing() == Connection::Standing::none ||
               connection_->standing() == Connection::Standing::lost;
    throw;
  }
}

// What can't be cleared in the session, or seen afterwards, is guessed from the text; a wrong guess
// costs a connection.
void OpenWrite::distrust_after(std::string_view sql, std::span<const ParameterView> values) {
  const auto first = SqlTokens(sql, connection_->backslash()).next();
  const bool runs_code = first && (first->is("do") || first->is("call"));
  const std::string lower = ascii::to_lower(sql);
  if (runs_code && holds(lower, {"prepare", "deallocate", "discard"}))
    connection_->distrust_prepared();
  if (!runs_code && !(first && first->is("set")) && !holds(lower, {"set_config"})) return;
  std::vector<std::string> names = customs_set_by(sql);
  for (const ParameterView value : values)
    if (value.type() == ValueType::text && is_custom_setting(value.as_view()))
      names.emplace_back(value.as_view());
  connection_->distrust_customs(names);
}

void OpenWrite::require_ours(std::string_view last) {
  static constexpr std::array<std::string_view, 3> kEnding{"COMMIT", "ROLLBACK",
                                                           "PREPARE TRANSACTION"};
  if (ended_) refuse();
  if (!begun()) return;
  const Connection::Standing standing = connection_->standing();
  if (standing == Connection::Standing::failed) return;  // or ROLLBACK TO could not run
  if (standing == Connection::Standing::open) {
    const bool odd = std::ranges::any_of(
        kEnding, [&](std::string_view tag) { return connection_->finished(tag); });
    if (!odd) return;
    // ROLLBACK TO a savepoint, too, says ROLLBACK.
    const ResultSet now = connection_->query(sql::write_position);
    const auto position = now.row(0)["position"];
    if (!position.is_null() && position.view() == position_) return;
  }
  ended_ = true;
  blame(last, "it ended the transaction that write() had begun");
  refuse();
}

std::int64_t OpenWrite::execute(std::string_view sql, std::span<const ParameterView> values) {
  return run(
      sql, values, [&] { return connection_->execute(sql, values); },
      [](Connection::First& first) { return first.changed; });
}

ResultSet OpenWrite::query(std::string_view sql, std::span<const ParameterView> values) {
  return run(
      sql, values, [&] { return connection_->query(sql, values); },
      [](Connection::First& first) { return std::move(first.rows); });
}

// What may be sent unawaited: statements that can neither end the transaction nor lead back in it.
void OpenWrite::send(std::string_view sql, std::span<const ParameterView> values,
                     std::int64_t* changed) {
  const auto first =
      SqlTokens(sql, connection_ == nullptr ? Backslash::plain : connection_->backslash()).next();
  const bool plain = first && std::ranges::any_of(kSendable, [&](std::string_view word) {
                       return first->is(word);
                     });
  if (!plain || sent_.size() == kMostSent) {
    const std::int64_t rows = execute(sql, values);
    if (changed != nullptr) *changed = rows;
    return;
  }
  require_ours("what ran before");
  require_inside_transaction(sql, connection_->backslash());
  distrust_after(sql, values);
  Sent& sent = sent_.emplace_back();
  sent.sql = sql;
  sent.changed = changed;
  for (const ParameterView value : values) sent.values.push_back(OwnedParameter::copy_of(value));
}

void OpenWrite::require_reading(std::string_view sql) const {
  static_cast<void>(postgres::require_reading(
      sql, connection_ == nullptr ? Backslash::plain : connection_->backslash()));
}

bool OpenWrite::only_reads(std::string_view sql) const {
  try {
    require_reading(sql);
    return true;
  } catch (const ConfigError&) {  // it says why; nobody asks
    return false;
  }
}

void OpenWrite::require_standing(const Append* append) {
  require_ours("what ran before");
  if (!begun())
    begin([&] {
      if (sent_.empty() && append == nullptr)
        start_->begin();
      else
        start_->begin_ahead(sent_, append);
      return 0;
    });
  if (connection_->ahead()) return;
  if (connection_->standing() != Connection::Standing::open) refuse();
}

// Most failures name their statement themselves.
void OpenWrite::blame(std::string_view sql, std::string_view failure) {
  const std::string statement = quoted_sql(sql);
  failure_ = failure.find(statement) != std::string_view::npos ? "" : "at " + statement + ": ";
  failure_ += failure;
}

void OpenWrite::refuse() const {
  throw Error("nothing is committed: the transaction had failed before, " + failure_, traits_);
}

}  // namespace querymark::postgres

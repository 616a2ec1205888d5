#include "writer.hpp"

#include <algorithm>
#include <vector>

#include "errors.hpp"
#include "querymark/support/sql_text.hpp"
#include "sqlite_sql.hpp"

namespace querymark::sqlite {
namespace {

// The files on which this thread holds the write lock, through whatever database.
std::vector<FileIdentity>& locked_by_this_thread() {
  thread_local std::vector<FileIdentity> files;
  return files;
}

}  // namespace

Writer::Writer(Open open) : open_(std::move(open)), connection_(open_()) {}

Writer::Session::Session(Writer& writer, const std::string& path,
                         std::chrono::milliseconds patience)
    : writer_(writer) {
  if (writer.turn_.is_mine())
    throw ConfigError("write() inside write(): use the transaction that is open");
  // Before the turn is waited for: whoever has it may wait for this thread's lock.
  const auto& locked = locked_by_this_thread();
  if (!locked.empty()) {
    const auto file = identity_of(path);
    if (file && std::ranges::find(locked, *file) != locked.end())
      throw ConfigError(
          "write() inside write(): this thread already writes to that file, through another "
          "Database; use the transaction that is open");
  }
  if (!writer.turn_.take(patience))
    throw Error("another thread's write() did not end within busy_timeout",
                {.retryable = true, .native_code = "SQLITE_BUSY"});
}

Writer::Session::~Session() {
  writer_.end();
  writer_.turn_.give_up();
}

void Writer::renew() {
  if (!stale_.exchange(false) && connection_) return;
  try {
    connection_ = open_();
  } catch (...) {  // the old file must not be written; the error goes on
    stale_.store(true);
    throw;
  }
}

void Writer::begin() {
  intents_ = {};
  broken_.reset();
  locked_by_this_thread().push_back(connection_->identity());
  begun_ = true;
  connection_->run_again("begin immediate");
  const ResultSet log = run_query(connection_->statement(sql::log_last), {});
  log_began_at_ = log.row(0)["last"].as<std::uint64_t>();
}

void Writer::end() noexcept {
  if (begun_) std::erase(locked_by_this_thread(), connection_->identity());
  begun_ = false;
  if (!connection_) return;
  connection_->rollback();
  // What the caller's statements left behind goes with the connection, and so does a transaction
  // that would not end: closing ends it.
  if (connection_->in_transaction()) connection_.reset();
  if (!connection_ || !connection_->usable()) stale_.store(true);
}

void Writer::require_standing() const {
  if (!turn_.is_mine() || !begun_)
    throw ConfigError(
        "this transaction is over, or another thread's: use it inside the function that was given "
        "to write(), on its thread");
  if (broken_) throw Error(*broken_);
}

void Writer::note_broken(std::string_view sql, std::string_view why, ErrorTraits traits) {
  traits.outcome_unknown = false;
  broken_.emplace("the write was rolled back, by SQLite itself, when it ran " + quoted_sql(sql) +
                      ", and nothing of it is kept: " + std::string(why),
                  std::move(traits));
}

template <class Action>
auto Writer::inside(std::string_view sql, Action action) {
  require_standing();
  try {
    auto result = action();
    if (connection_->in_transaction()) return result;
    note_broken(sql, "the statement ended the transaction", {});
  } catch (const Error& failure) {
    if (!connection_->in_transaction())
      note_broken(sql, failure.what(),
                  {.retryable = failure.retryable(),
                   .connection_lost = failure.connection_lost(),
                   .native_code = failure.native_code()});
    throw;
  } catch (const std::exception& failure) {  // such as an answer that memory does not take
    if (!connection_->in_transaction()) note_broken(sql, failure.what(), {});
    throw;
  }
  throw Error(*broken_);
}

std::int64_t Writer::execute(std::string_view sql, std::span<const ParameterView> values) {
  return inside(sql, [&] { return connection_->execute_inside(sql, values); });
}

ResultSet Writer::query(std::string_view sql, std::span<const ParameterView> values) {
  return inside(sql, [&] { return connection_->query_inside(sql, values); });
}

ResultSet Writer::read(std::string_view sql, std::span<const ParameterView> values) {
  return inside(sql, [&] { return connection_->load(sql, values).rows; });
}

void WriterTransaction::require_usable() const { writer_.require_standing(); }

std::int64_t WriterTransaction::execute_values(std::string_view sql,
                                               std::span<const ParameterView> values) {
  return writer_.execute(sql, values);
}

ResultSet WriterTransaction::query_values(std::string_view sql,
                                          std::span<const ParameterView> values) {
  return writer_.query(sql, values);
}

ResultSet WriterTransaction::read_values(std::string_view sql,
                                         std::span<const ParameterView> values) {
  return writer_.read(sql, values);
}

}  // namespace querymark::sqlite

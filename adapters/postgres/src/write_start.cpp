#include "write_start.hpp"

#include <utility>

#include "append.hpp"
#include "database_state.hpp"

namespace querymark::postgres {

WriteStart::WriteStart(Database::State& state, Isolation isolation, SettingList settings)
    : state_(state),
      isolation_(isolation),
      settings_(std::move(settings)),
      write_(random_write_id()),
      lease_(state.pool.acquire()) {
  if (!connection()->begins_along() || !settings_.names.empty()) begin();
}

WriteStart::~WriteStart() {
  if (lease_ && begun_ && !released_) connection()->abandon();
}

// Nothing has been written yet, so it may begin anew, on another connection.
void WriteStart::begin() {
  std::optional<ConnectionPool<PooledConnection>::Lease> first(std::move(lease_));
  lease_.reset();
  begun_ = true;
  state_.on_standing(
      [&](auto& connection) {
        try {
          const bool at_once = !settings_.names.empty() && !connection->proxied();
          take(at_once ? connection->begin_under(settings_, isolation_)
                       : connection->begin(isolation_));
          if (connection->proxied()) {
            static_cast<void>(state_.prove_lent(*connection));
            state_.set_on_lent(*connection, settings_);
          }
        } catch (...) {  // rolled back, then rethrown
          connection->abandon();
          throw;
        }
        lease_.emplace(std::move(connection));
        return 0;
      },
      std::move(first));
}

void WriteStart::begin_ahead(std::span<const Sent> sent, const Append* append) {
  if (connection()->begins_along()) {
    begun_ = true;
    try {
      take(connection()->begin_ahead(isolation_, sent, append));
      return;
    } catch (const Error& failure) {
      // COMMIT has not been sent, so nothing can have come of it.
      const bool missing = failure.native_code() == "26000";
      if (failure.native_code() == "timeout" || !(failure.connection_lost() || missing)) throw;
      if (missing) {
        connection()->distrust_prepared();
        connection()->rollback();
      }
    }
  }
  begin();
}

bool WriteStart::begin_anew(const Error& failure, std::span<const Sent> sent) {
  if (!connection()->was_outdated(failure, sent)) return false;
  connection()->abandon();
  begin();
  return true;
}

std::optional<WriteStart::First> WriteStart::begin_with(std::span<const Sent> sent,
                                                        std::string_view sql,
                                                        std::span<const ParameterView> values) {
  if (connection()->begins_along()) {
    begun_ = true;
    First first;
    try {
      if (connection()->begin_with(isolation_, sent, sql, values, first)) {
        take(first.beginning);
        return first;
      }
    } catch (const Error& failure) {
      if (first.begun) take(first.beginning);  // only the statement has failed
      // Lost before it began, as far as anybody knows; whatever the statement did is gone with it.
      // It is tried once more, behind a BEGIN that was answered, so that one which ends its
      // connection does not end all of them.
      if (!failure.connection_lost() || failure.native_code() == "timeout") throw;
    }
  }
  begin();
  return std::nullopt;
}

void WriteStart::take(const ResultSet& begun) {
  pending_ = pending_of(begun, state_.options.namespace_name, write_);
  logged_ = begun.row(0)["logged"].as<std::optional<std::int64_t>>();
}

}  // namespace querymark::postgres

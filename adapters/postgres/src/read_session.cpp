#include "querymark/database/read_session.hpp"

#include <optional>

#include "database_state.hpp"
#include "statement_text.hpp"

namespace querymark::postgres {

/// A transaction on a pooled connection, of which nobody but the server and a text's judge must be
/// trusted: it can't write, and no text that only reads can end it.
class Database::Read final : public ReadSession, public ReadTransaction {
 public:
  Read(State& state, const SettingList& settings, TransactionOrigin origin) {
    state.on_standing([&](State::Lease& connection) {
      begin(state, *connection, settings);
      connection_.emplace(std::move(connection));
      return 0;
    });
    begins(std::move(origin));
  }
  Read(const Read&) = delete;
  Read& operator=(const Read&) = delete;
  ~Read() override { (*connection_)->abandon(); }

  [[nodiscard]] ReadTransaction& transaction() noexcept override { return *this; }

 private:
  static void begin(State& state, PooledConnection& connection, const SettingList& settings) {
    try {
      connection.begin_reading(connection.proxied() ? SettingList() : settings);
      if (!connection.proxied()) return;
      if (!state.prove_lent(connection)) throw state.leads_elsewhere();
      state.set_on_lent(connection, settings);
    } catch (...) {  // rolled back, then rethrown
      connection.abandon();
      throw;
    }
  }

  ResultSet query_values(std::string_view sql, std::span<const ParameterView> values) override {
    static_cast<void>(require_reading(sql, (*connection_)->backslash()));
    return (*connection_)->query(sql, values);
  }

  std::optional<State::Lease> connection_;
};

std::unique_ptr<ReadSession> Database::State::begin_read(const SessionSettings& settings) {
  return std::make_unique<Read>(*this, list_of(settings), core_.origin(settings, false));
}

}  // namespace querymark::postgres

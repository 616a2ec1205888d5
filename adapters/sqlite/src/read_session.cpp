#include "querymark/database/read_session.hpp"
#include "database_state.hpp"

namespace querymark::sqlite {

/// A transaction on a reader's connection.
class Database::Read final : public ReadSession, public ReadTransaction {
 public:
  explicit Read(State& state) : connection_(state.pool.acquire()) {
    connection_->run_again("begin");
    begins({.source = &state.core_.source, .session = {}, .newest = false});
  }
  Read(const Read&) = delete;
  Read& operator=(const Read&) = delete;
  ~Read() override { connection_->rollback(); }

  [[nodiscard]] ReadTransaction& transaction() noexcept override { return *this; }

 private:
  ResultSet query_values(std::string_view sql, std::span<const ParameterView> values) override {
    return connection_->load(sql, values).rows;
  }

  ConnectionPool<Connection>::Lease connection_;
};

std::unique_ptr<ReadSession> Database::State::begin_read(const SessionSettings& /*none*/) {
  return std::make_unique<Read>(*this);
}

}  // namespace querymark::sqlite

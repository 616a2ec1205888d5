#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pooled_connection.hpp"
#include "querymark/key/parameter.hpp"
#include "querymark/result/result_set.hpp"
#include "querymark/support/error.hpp"
#include "querymark/write/transaction.hpp"

namespace querymark::postgres {

class WriteStart;

/// The transaction of one write, while the caller's function runs in it: knows after each statement
/// whether it still stands, so that nothing is ever committed outside it, or in its name. Not
/// thread-safe.
class OpenWrite {
 public:
  /// Has begun already; `position` is the transaction's id, as text. The connection must outlive
  /// the object.
  OpenWrite(PooledConnection& connection, std::string position)
      : connection_(&connection), position_(std::move(position)) {}
  /// Begins with its first statement. `start` must outlive the object.
  explicit OpenWrite(WriteStart& start);
  OpenWrite(const OpenWrite&) = delete;
  OpenWrite& operator=(const OpenWrite&) = delete;

  /// One statement of the caller's. Throws ConfigError for what must not run inside write(), and
  /// Error; also for every later statement once the transaction has ended.
  std::int64_t execute(std::string_view sql, std::span<const ParameterView> values);
  [[nodiscard]] ResultSet query(std::string_view sql, std::span<const ParameterView> values);

  /// One that goes out with the next one, or with the commit, which takes `sent()`. Some kinds do at
  /// once. Throws as `execute`, for what its text or earlier ones tell.
  void send(std::string_view sql, std::span<const ParameterView> values, std::int64_t* changed);
  [[nodiscard]] std::span<const Sent> sent() const noexcept { return sent_; }

  /// Throws ConfigError unless the text does nothing but read, as far as it tells.
  void require_reading(std::string_view sql) const;
  /// Whether it does.
  [[nodiscard]] bool only_reads(std::string_view sql) const;

  /// Throws, with the statement that is to blame, unless the transaction can be committed. Begins
  /// it where no statement has, together with what was sent and, unless null, the intents.
  void require_standing(const Append* append);

 private:
  template <class Action, class Take>
  auto run(std::string_view sql, std::span<const ParameterView> values, Action&& action,
           Take&& take);
  [[nodiscard]] bool begun() const noexcept;
  template <class Begin>
  auto begin(Begin&& begin);
  void distrust_after(std::string_view sql, std::span<const ParameterView> values);
  void require_ours(std::string_view last);
  void blame(std::string_view sql, std::string_view failure);
  [[noreturn]] void refuse() const;

  WriteStart* start_ = nullptr;   // null when it had begun already
  PooledConnection* connection_;  // null once it could not begin
  std::string position_;          // empty while it is not known
  std::string
      failure_;  // what was said of the last statement that failed, or ended the transaction
  ErrorTraits traits_;
  bool ended_ = false;
  std::vector<Sent> sent_;
};

/// What callers see of it.
class OpenTransaction final : public Transaction {
 public:
  OpenTransaction(OpenWrite& guard, IntentBatch& intents) : Transaction(intents), guard_(guard) {}

 private:
  std::int64_t execute_values(std::string_view sql,
                              std::span<const ParameterView> values) override {
    return guard_.execute(sql, values);
  }
  ResultSet query_values(std::string_view sql, std::span<const ParameterView> values) override {
    return guard_.query(sql, values);
  }
  void send_values(std::string_view sql, std::span<const ParameterView> values,
                   std::int64_t* changed) override {
    guard_.send(sql, values, changed);
  }

  ResultSet read_values(std::string_view sql, std::span<const ParameterView> values) override {
    guard_.require_reading(sql);
    return guard_.query(sql, values);
  }
  [[nodiscard]] bool only_reads(std::string_view sql) const override {
    return guard_.only_reads(sql);
  }

  OpenWrite& guard_;
};

}  // namespace querymark::postgres

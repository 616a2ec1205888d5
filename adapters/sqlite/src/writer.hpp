#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "connection.hpp"
#include "querymark/log/intent.hpp"
#include "querymark/write/transaction.hpp"
#include "turn.hpp"

namespace querymark::sqlite {

class Writer;

/// What callers see of a write; it goes to the writer, which knows whether it still stands.
class WriterTransaction final : public Transaction {
 public:
  WriterTransaction(Writer& writer, IntentBatch& intents) : Transaction(intents), writer_(writer) {}

 private:
  void require_usable() const override;
  std::int64_t execute_values(std::string_view sql, std::span<const ParameterView> values) override;
  ResultSet query_values(std::string_view sql, std::span<const ParameterView> values) override;
  ResultSet read_values(std::string_view sql, std::span<const ParameterView> values) override;

  Writer& writer_;
};

/// The connection that writes, for one thread at a time, and what became of its transaction.
///
/// States of a write: none -> open (begin) -> [broken] -> none (its Session ends). SQLite ends a
/// transaction by itself where it must (RAISE(ROLLBACK), OR ROLLBACK, a full disk, an I/O error,
/// some interrupts); what ran after that would commit at once, each statement for itself and
/// without intents. So after each statement the writer looks whether the transaction still stands;
/// when it does not, the write is broken: everything throws the error that broke it until the
/// session ends, whatever the caller's function catches.
///
/// Intents and the Transaction that callers hold live as long as the writer, so a reference that
/// was kept past its write is told so.
///
/// Thread-safe where it says so; the rest requires a Session of the calling thread. Throws Error.
class Writer {
 public:
  using Open = std::function<std::unique_ptr<Connection>()>;
  /// Opens the first connection. Throws what `open` throws.
  explicit Writer(Open open);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// The turn to write, waited for up to `patience`. Its end rolls back what is open.
  class Session {
   public:
    /// Thread-safe. Throws ConfigError when this thread is writing already to the file at `path`,
    /// also through another writer: it would wait for itself.
    Session(Writer& writer, const std::string& path, std::chrono::milliseconds patience);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session();

   private:
    Writer& writer_;
  };

  /// The next write opens the file anew. Thread-safe.
  void retire() noexcept { stale_.store(true); }
  /// Opens the file anew if that was asked for. When opening fails, the next write tries again.
  void renew();
  /// Begins a transaction (BEGIN IMMEDIATE).
  void begin();
  /// The log's last id when the transaction began.
  [[nodiscard]] std::uint64_t log_began_at() const noexcept { return log_began_at_; }
  [[nodiscard]] Connection& connection() noexcept { return *connection_; }
  [[nodiscard]] Transaction& transaction() noexcept { return transaction_; }

  // What callers' transactions are made of; any thread may try.
  /// Throws unless the calling thread has an open write whose transaction stands.
  void require_standing() const;
  std::int64_t execute(std::string_view sql, std::span<const ParameterView> values);
  [[nodiscard]] ResultSet query(std::string_view sql, std::span<const ParameterView> values);
  /// The same for what only reads; throws ConfigError for anything else.
  [[nodiscard]] ResultSet read(std::string_view sql, std::span<const ParameterView> values);

 private:
  template <class Action>
  auto inside(std::string_view sql, Action action);
  void note_broken(std::string_view sql, std::string_view why, ErrorTraits traits);
  void end() noexcept;

  Open open_;
  std::atomic<bool> stale_{false};
  Turn turn_;  // whoever has it may use all below
  std::unique_ptr<Connection> connection_;
  bool begun_ = false;
  std::uint64_t log_began_at_ = 0;
  std::optional<Error> broken_;
  IntentBatch intents_;
  WriterTransaction transaction_{*this, intents_};
};

}  // namespace querymark::sqlite

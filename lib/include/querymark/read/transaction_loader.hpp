#pragma once  // For writers of ports.

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "querymark/read/loader.hpp"
#include "querymark/read/route.hpp"
#include "querymark/support/life.hpp"
#include "querymark/write/read_transaction.hpp"

// For nobody outside: how queries are read inside a transaction.

namespace querymark::detail {

/// Loads inside a transaction of the database's own. Nothing of it is kept, since it may be what nobody
/// else ever sees; and memory answers in its place only while each of its statements sees what was
/// committed before that statement, and it has changed nothing.
class TransactionLoader final : public Loader {
 public:
  /// The source, which tells whether it knows the log, must outlive it.
  TransactionLoader(const Source& source, ReadTransaction& transaction)
      : source_(source),
        transaction_(transaction),
        life_(life_of(transaction)),
        session_(transaction.origin_.session) {}

  [[nodiscard]] LoadedRows load(std::string_view sql,
                                std::span<const ParameterView> parameters) override;
  [[nodiscard]] const std::string* session() const noexcept override {
    return session_.empty() ? nullptr : &session_;
  }
  [[nodiscard]] bool isolated() const override { return true; }
  [[nodiscard]] bool borrowed() const noexcept override { return true; }
  /// Throws when the transaction is over.
  [[nodiscard]] bool may_hit(std::string_view sql) override;

  /// The way of a query into a transaction. Throws ConfigError, naming the query, when the transaction is
  /// of another database, or of another session of it.
  [[nodiscard]] static Route into(ReadTransaction& transaction, const Route& of,
                                  std::string_view sql);

  /// By which whoever keeps it tells whether it has ended since.
  [[nodiscard]] static Life::Watch life_of(ReadTransaction& transaction);
  /// Throws ConfigError when it has.
  static void require_standing(const Life::Watch& life);

 private:
  void require_usable() const;

  const Source& source_;
  ReadTransaction& transaction_;
  Life::Watch life_;  // of the transaction
  const std::string session_;
};

}  // namespace querymark::detail

#pragma once  // For users: what `in(tx)` of a prepared query returns.

#include <utility>
#include <vector>

#include "querymark/key/parameters.hpp"
#include "querymark/read/one_row.hpp"
#include "querymark/read/prepared_core.hpp"
#include "querymark/read/transaction_loader.hpp"

namespace querymark {

/// A prepared query inside a transaction: called, and fetched from, like the query itself. See
/// Database::write and read_transaction for what memory may answer there. Not thread-safe; of use as long
/// as the transaction is. What is called throws ConfigError for a transaction of another database, or
/// under other settings, and for one that is over.
template <class Query, class T>
class InTransaction : public detail::OneRow<InTransaction<Query, T>, T> {
 public:
  using Handle = typename Query::Handle;

  InTransaction(Query query, ReadTransaction& transaction)
      : query_(std::move(query)),
        transaction_(&transaction),
        life_(detail::TransactionLoader::life_of(transaction)) {}

  /// The rows, from memory where that may answer, or as the transaction sees them. Blocks. Throws Error.
  template <HasParameterTraits... Args>
  [[nodiscard]] Handle operator()(const Args&... args) const {
    detail::TransactionLoader::require_standing(life_);
    return query_.read_in(*transaction_, args...);
  }
  /// See Prepared: one statement of the transaction loads what memory may not answer, or does not have.
  template <class Keys, HasParameterTraits... Rest>
  [[nodiscard]] std::vector<Handle> fetch_many(const Keys& keys, const Rest&... rest) const {
    detail::TransactionLoader::require_standing(life_);
    const detail::PreparedSetup& setup = query_.core().setup;
    const Route route = detail::TransactionLoader::into(*transaction_, setup.route, setup.sql);
    return query_.many_by({route, setup.options.consistency}, route.loader().may_hit(setup.sql),
                          keys, rest...);
  }

 private:
  Query query_;
  ReadTransaction* transaction_;
  Life::Watch life_;  // of the transaction
};

}  // namespace querymark

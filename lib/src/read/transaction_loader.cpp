#include "querymark/read/transaction_loader.hpp"

#include "querymark/support/error.hpp"
#include "querymark/support/excerpt.hpp"
#include "read/read_machine_steps.hpp"

namespace querymark::detail {

Life::Watch TransactionLoader::life_of(ReadTransaction& transaction) {
  if (!transaction.life_) transaction.life_.emplace();
  return transaction.life_->watch();
}

void TransactionLoader::require_standing(const Life::Watch& life) {
  if (life.over())
    throw ConfigError(
        "the transaction in which this query is read is over: use it inside the function that was "
        "given the "
        "transaction");
}

void TransactionLoader::require_usable() const {
  require_standing(life_);
  transaction_.require_usable();
}

LoadedRows TransactionLoader::load(std::string_view sql,
                                   std::span<const ParameterView> parameters) {
  require_usable();
  return {transaction_.read_values(sql, parameters), std::nullopt, Stored::in_transaction};
}

bool TransactionLoader::may_hit(std::string_view /*sql*/) {
  require_usable();
  return transaction_.origin_.newest && !transaction_.changed_ &&
         source_.marks().trusted(source_.cache().clock().coarse_now());
}

Route TransactionLoader::into(ReadTransaction& transaction, const Route& of, std::string_view sql) {
  transaction.require_usable();
  Source& source = of.source(sql);
  const std::string* const session = of.loader().session();
  const TransactionOrigin& origin = transaction.origin_;
  if (origin.source != &source ||
      origin.session != (session == nullptr ? std::string_view() : std::string_view(*session)))
    throw ConfigError(
        "a query is read in a transaction of its own database, under the same settings; this one "
        "is of "
        "another: " +
        excerpt(sql, kShownOfSql));
  return {source, std::make_shared<TransactionLoader>(source, transaction)};
}

}  // namespace querymark::detail

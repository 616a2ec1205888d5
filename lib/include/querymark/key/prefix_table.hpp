#pragma once  // For the library itself.

#include <atomic>
#include <cstddef>
#include <string_view>
#include <unordered_map>

#include "querymark/key/key.hpp"

namespace querymark {

class QueryTable;

/// Interns key prefixes: one object for each distinct encoding that is in use. A prefix leaves the
/// table when its last owner (a prepared query or a cached entry) goes; the table must outlive them
/// all, which shared ownership of its state guarantees.
///
/// Thread-safe: one mutex, taken when a query is prepared or built ad hoc, never on a prepared hit.
class PrefixTable {
 public:
  /// With a table of queries, which must outlive all use of the prefixes, reads are counted there.
  explicit PrefixTable(QueryTable* queries = nullptr);

  /// `name`: what its reads are counted under. Requires that the stored type tells names apart.
  [[nodiscard]] KeyPrefixRef intern(std::string_view stored_type, KeyPrefix::Form form,
                                    const Scope& scope, std::string_view text,
                                    std::string_view name = {});
  /// Bytes held by all prefixes in use, with overhead.
  [[nodiscard]] std::size_t bytes() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
  QueryTable* queries_;
};

}  // namespace querymark

#pragma once  // For the library itself.

#include <atomic>
#include <cstddef>
#include <string_view>
#include <unordered_map>

#include "querymark/key/key.hpp"

namespace querymark {

/// Interns key prefixes: one object for each distinct encoding that is in use. A prefix leaves the
/// table when its last owner (a prepared query or a cached entry) goes; the table must outlive them
/// all, which shared ownership of its state guarantees.
///
/// Thread-safe: one mutex, taken when a query is prepared or built ad hoc, never on a prepared hit.
class PrefixTable {
 public:
  PrefixTable();

  [[nodiscard]] KeyPrefixRef intern(std::string_view stored_type, KeyPrefix::Form form,
                                    const Scope& scope, std::string_view text);
  /// Bytes held by all prefixes in use, with overhead.
  [[nodiscard]] std::size_t bytes() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace querymark

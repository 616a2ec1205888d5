#pragma once  // For writers of ports.

#include "querymark/write/read_transaction.hpp"

namespace querymark {

/// One read transaction of one database, from BEGIN to ROLLBACK, which is its destructor's. For one
/// thread.
class ReadSession {
 public:
  ReadSession(const ReadSession&) = delete;
  ReadSession& operator=(const ReadSession&) = delete;
  virtual ~ReadSession() = default;
  [[nodiscard]] virtual ReadTransaction& transaction() noexcept = 0;

 protected:
  ReadSession() = default;
};

}  // namespace querymark

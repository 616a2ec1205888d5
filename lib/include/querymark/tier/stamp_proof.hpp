#pragma once  // For writers of ports.

#include "querymark/mark/stamp.hpp"

namespace querymark {

/// What a reader asks the database about a stamp that a shared tier brings along, and that lies
/// above all that this process has seen of the log. Thread-safe.
class StampProof {
 public:
  virtual ~StampProof() = default;
  /// Catches up with the log. Where the stamp still lies above its end, the future in which it was
  /// taken has been lost (the database was put back to an earlier state): then makes sure that the
  /// history goes on under another epoch, if the database can tell. Blocks on I/O; throws Error.
  virtual void prove(const SharedStamp& stamp) = 0;
};

}  // namespace querymark

#pragma once  // For writers of ports.

#include "querymark/mark/stamp.hpp"

namespace querymark {

/// What a reader asks the database about a stamp that a shared tier brings along: one that lies
/// above all that this process has seen of the log, or one whose witness nobody has checked yet.
/// Thread-safe.
class StampProof {
 public:
  virtual ~StampProof() = default;
  /// Catches up with the log where the stamp lies above what this process has seen. Where it still
  /// does, or its witness is not that of the log's row, the future in which it was taken has been
  /// lost (the database was put back to an earlier state): then makes sure that the history goes on
  /// under another epoch, if the database can tell, and that this process's marks know. Blocks on
  /// I/O; throws Error: then nothing is proved.
  virtual void prove(const SharedStamp& stamp) = 0;
};

}  // namespace querymark

#pragma once

#include <memory>
#include <string>

#include "querymark/log/outbox.hpp"

namespace querymark::sqlite {

/// Rings when another connection, of this or any process, has committed: `PRAGMA data_version` on
/// an idle connection, looked at when the file system reports a write to the WAL (inotify), and
/// every millisecond where that is not available. Thread-safe for one waiter and any number of
/// interrupters.
class FileDoorbell final : public Doorbell {
 public:
  /// Throws Error when the database can't be opened.
  explicit FileDoorbell(const std::string& path);
  ~FileDoorbell() override;

  void wait(std::chrono::nanoseconds timeout) override;
  void interrupt() override;
  /// False: polling `data_version` every millisecond.
  [[nodiscard]] bool watches_file() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace querymark::sqlite

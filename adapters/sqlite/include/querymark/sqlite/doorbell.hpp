#pragma once  // For users.

#include <cstdint>
#include <memory>
#include <string>

#include "querymark/log/doorbell.hpp"

namespace querymark::sqlite {

/// Rings when another connection, of this or any process, has committed: `PRAGMA data_version` on
/// an idle connection, looked at when the file system reports a write to the database or its WAL
/// (inotify on the files that SQLite has opened, whatever symbolic links lead there), and every
/// millisecond where that is not available. Also when the path leads to another file; a link on the
/// way that is changed is noticed by the next wait. Thread-safe for one waiter and any number of
/// interrupters.
class FileDoorbell final : public Doorbell {
 public:
  /// Throws Error when the database can't be opened.
  explicit FileDoorbell(const std::string& path);
  ~FileDoorbell() override;

  void wait(std::chrono::nanoseconds timeout) override;
  [[nodiscard]] bool report_asked() override;
  void interrupt() override;
  /// True while each file that a commit writes is watched. False: `data_version` is looked at every
  /// millisecond.
  [[nodiscard]] bool watches_file() const noexcept;
  /// Times that it has looked.
  [[nodiscard]] std::uint64_t looks() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace querymark::sqlite

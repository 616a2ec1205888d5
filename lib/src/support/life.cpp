#include "querymark/support/life.hpp"

#include <mutex>
#include <utility>

namespace querymark {
namespace {

/// Cells that stand for nobody. There are as many in all as there were lives at once.
class FreeCells {
 public:
  /// Never destroyed: handles that a global owns may ask at the very end of the process.
  static FreeCells& instance() {
    static FreeCells& cells = *new FreeCells;
    return cells;
  }
  Life::Cell& take() {
    const std::lock_guard lock(mutex_);
    if (first_ == nullptr) return *new Life::Cell;
    Life::Cell& cell = *first_;
    first_ = std::exchange(cell.next, nullptr);
    return cell;
  }
  void give_back(Life::Cell& cell) noexcept {
    const std::lock_guard lock(mutex_);
    cell.next = std::exchange(first_, &cell);
  }

 private:
  std::mutex mutex_;
  Life::Cell* first_ = nullptr;
};

}  // namespace

Life::Life() : cell_(FreeCells::instance().take()) {}

Life::~Life() {
  cell_.number.fetch_add(1);
  FreeCells::instance().give_back(cell_);
}

}  // namespace querymark

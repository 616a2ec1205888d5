#pragma once  // For writers of ports.

#include <atomic>
#include <cstdint>

namespace querymark {

/// Lets handles find out that what they refer to is no more, instead of touching it. Whoever
/// destroys an object while another thread uses a handle of it gets no such promise. Thread-safe.
class Life {
 public:
  /// Of one life after another; read by handles at any time, so never given back to the heap.
  struct Cell {
    std::atomic<std::uint64_t> number{0};  ///< Of the present life; moves on at its end.
    Cell* next = nullptr;                  ///< While it is free.
  };

  /// Outlives the life that it watches. A value type.
  class Watch {
   public:
    /// A load from a line that is written only when a life ends.
    [[nodiscard]] bool over() const noexcept {
      return cell_->number.load(std::memory_order_relaxed) != number_;
    }

   private:
    friend class Life;
    explicit Watch(const Cell& cell) noexcept : cell_(&cell), number_(cell.number.load()) {}
    const Cell* cell_;
    std::uint64_t number_;
  };

  Life();
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;
  /// Ends it.
  ~Life();

  [[nodiscard]] Watch watch() const noexcept { return Watch(cell_); }

 private:
  Cell& cell_;
};

}  // namespace querymark

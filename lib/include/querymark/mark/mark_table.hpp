#pragma once  // For nobody outside: a part of Marks.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "querymark/key/target.hpp"
#include "querymark/mark/position.hpp"

namespace querymark {

/// The fixed-size table of marks: per target the last invalidation that this process has applied,
/// as a local generation and the highest position. Like a count-min sketch of maxima (Cormode and
/// Muthukrishnan 2005): a target has `kCells` cells, its mark is their minimum. Collisions can only
/// make a mark look later than it is, which costs a miss.
///
/// Sizing: with k cells per target, m cells, and n distinct targets invalidated in an entry's life,
/// an entry with one target is falsely dead with probability about (1 - e^(-kn/m))^k; an entry with
/// j targets j times that. The default of 1.5 Mi cells and k = 4 gives 0.25 % for one target and
/// 0.76 % for three (a key and two tags) at n = 100,000. A cell takes 16 bytes; untouched pages of
/// the table take no memory.
///
/// Readers are lock-free. Writers take turns (the caller's mutex); see marks.cpp for the order of
/// stores.
class MarkTable {
 public:
  static constexpr std::size_t kCells = 4;
  static constexpr std::size_t kDefaultSize = std::size_t{1536} * 1024;
  static constexpr std::size_t kCellBytes = 2 * sizeof(std::uint64_t);

  /// Requires 64 <= cells < 2^32; throws ConfigError otherwise, std::bad_alloc when memory lacks.
  explicit MarkTable(std::size_t cells = kDefaultSize);

  /// The generation of the last invalidation of `target`, or a later one.
  [[nodiscard]] std::uint64_t generation(TargetId target) const noexcept;
  /// The highest position at which `target` is known to be invalidated, or a higher one.
  [[nodiscard]] Position position(TargetId target) const noexcept;

  /// Raises the mark of `target`. Not thread-safe among writers.
  void raise(TargetId target, std::uint64_t generation, Position position) noexcept;
  /// Raises the position alone: for log rows that lie before anything this process has cached.
  void raise_position(TargetId target, Position position) noexcept;
  /// Forgets all positions (a new epoch). Generations stay. Not thread-safe among writers.
  void clear_positions() noexcept;

  /// Estimated probability that an unrelated target looks invalidated after `since`: the share of
  /// cells written after it, to the power of `kCells`, from a sample of 4,096 cells.
  [[nodiscard]] double false_rate(std::uint64_t since) const noexcept;
  [[nodiscard]] std::size_t cells() const noexcept { return cells_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return cells_ * kCellBytes; }

  /// (1 - e^(-kn/m))^k.
  [[nodiscard]] static double expected_false_rate(std::size_t cells, std::size_t targets) noexcept;

 private:
  struct Cell {  // accessed through std::atomic_ref only
    std::uint64_t generation;
    std::uint64_t position;
  };
  struct Free {
    void operator()(Cell* cells) const noexcept;
  };
  [[nodiscard]] Cell& cell(TargetId target, std::size_t i) const noexcept;

  std::size_t cells_;
  std::unique_ptr<Cell[], Free> table_;
};

}  // namespace querymark

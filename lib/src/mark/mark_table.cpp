#include "querymark/mark/mark_table.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>
#include <string>

#include "querymark/support/error.hpp"

namespace querymark {
namespace {

std::uint64_t load(std::uint64_t& word) noexcept {
  return std::atomic_ref(word).load(std::memory_order_relaxed);
}

// Writers take turns, so a plain maximum needs no compare-and-swap.
void store_max(std::uint64_t& word, std::uint64_t value) noexcept {
  if (load(word) < value) std::atomic_ref(word).store(value, std::memory_order_relaxed);
}

}  // namespace

void MarkTable::Free::operator()(Cell* cells) const noexcept { std::free(cells); }

// calloc hands out untouched zero pages, so an idle table costs address space alone.
MarkTable::MarkTable(std::size_t cells) : cells_(cells) {
  if (cells < 64 || cells > std::numeric_limits<std::uint32_t>::max())
    throw ConfigError("the mark table needs 64 to 2^32-1 cells, not " + std::to_string(cells));
  table_.reset(static_cast<Cell*>(std::calloc(cells, sizeof(Cell))));
  if (!table_) throw std::bad_alloc();
}

// Double hashing (Kirsch and Mitzenmacher 2006): two halves of the mixed id make all k cells.
// Multiply-shift maps 32 bits to [0, cells) without a division.
MarkTable::Cell& MarkTable::cell(TargetId target, std::size_t i) const noexcept {
  std::uint64_t id = (static_cast<std::uint64_t>(target) + 1) * 0x9E3779B97F4A7C15ULL;
  id = (id ^ (id >> 29U)) * 0xBF58476D1CE4E5B9ULL;
  id ^= id >> 32U;
  const auto first = static_cast<std::uint32_t>(id);
  const auto step = static_cast<std::uint32_t>(id >> 32U) | 1U;
  const auto mixed = static_cast<std::uint32_t>(first + static_cast<std::uint32_t>(i) * step);
  return table_[(static_cast<std::uint64_t>(mixed) * cells_) >> 32U];
}

std::uint64_t MarkTable::generation(TargetId target) const noexcept {
  std::uint64_t least = load(cell(target, 0).generation);
  for (std::size_t i = 1; i < kCells; ++i)
    least = std::min(least, load(cell(target, i).generation));
  return least;
}

// Acquire: whoever reads a position that clear_positions() wiped also sees what was stored before
// the wipe. Nothing is below zero, so the first cell that nobody has raised is enough: of most
// targets one cell is brought into the processor's cache instead of four.
Position MarkTable::position(TargetId target) const noexcept {
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (std::size_t i = 0; i < kCells && least > 0; ++i)
    least =
        std::min(least, std::atomic_ref(cell(target, i).position).load(std::memory_order_acquire));
  return {least};
}

void MarkTable::raise(TargetId target, std::uint64_t generation, Position position) noexcept {
  for (std::size_t i = 0; i < kCells; ++i) {
    store_max(cell(target, i).generation, generation);
    store_max(cell(target, i).position, position.value);
  }
}

void MarkTable::raise_position(TargetId target, Position position) noexcept {
  raise(target, 0, position);
}

void MarkTable::clear_positions() noexcept {
  for (std::size_t i = 0; i < cells_; ++i)
    if (load(table_[i].position) != 0)
      std::atomic_ref(table_[i].position).store(0, std::memory_order_release);
}

double MarkTable::false_rate(std::uint64_t since) const noexcept {
  const std::size_t samples = std::min<std::size_t>(cells_, 4096);
  const std::size_t stride = cells_ / samples;
  std::size_t later = 0;
  for (std::size_t i = 0; i < samples; ++i)
    if (load(table_[i * stride].generation) > since) ++later;
  return std::pow(static_cast<double>(later) / static_cast<double>(samples), kCells);
}

double MarkTable::expected_false_rate(std::size_t cells, std::size_t targets) noexcept {
  const double k = kCells;
  return std::pow(1 - std::exp(-k * static_cast<double>(targets) / static_cast<double>(cells)), k);
}

}  // namespace querymark

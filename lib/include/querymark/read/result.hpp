#pragma once  // For users.

#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "querymark/memory/entry.hpp"
#include "querymark/read/outcome.hpp"
#include "querymark/read/read_request.hpp"
#include "querymark/result/held_row.hpp"
#include "querymark/result/mapping.hpp"
#include "querymark/result/result_set.hpp"

namespace querymark {

namespace detail {

/// Lets the hit path write into the handle that it returns.
struct InPlace {
  template <class Handle>
  [[nodiscard]] static ReadResult& of(Handle& handle) noexcept {
    return handle.read_;
  }
};

/// No columns, no rows: what a Result has that was moved from.
[[nodiscard, gnu::cold]] const ResultSet& no_rows();
[[noreturn]] void fail_moved_from();

}  // namespace detail

/// The rows of a query: a cheap shared handle, valid as long as it lives, whatever the cache does
/// meanwhile. Immutable and thread-safe. Rows and fields point into it. What is taken from a
/// temporary holds the rows itself, or does not compile; a range-for over a temporary keeps it. One that was moved
/// from has neither columns nor rows.
class Result {
 public:
  explicit Result(ReadResult read) noexcept : read_(std::move(read)) {}

  [[nodiscard]] const ResultSet& set() const& noexcept {
    return read_.entry ? read_.entry.value<ResultSet>() : detail::no_rows();
  }
  /// Shares the rows, so that they outlive a temporary handle.
  [[nodiscard]] ResultSet set() && noexcept { return set(); }
  [[nodiscard]] std::size_t size() const noexcept { return set().size(); }
  [[nodiscard]] bool empty() const noexcept { return set().empty(); }
  [[nodiscard]] Row operator[](std::size_t index) const& { return set().row(index); }
  /// A row that holds its rows: `query.fetch()[0]["n"].as<int>()` is safe, and so is a copy of it.
  [[nodiscard]] HeldRow operator[](std::size_t index) && { return {set(), index}; }
  [[nodiscard]] ResultSet::Iterator begin() const& noexcept { return set().begin(); }
  [[nodiscard]] ResultSet::Iterator end() const& noexcept { return set().end(); }
  ResultSet::Iterator begin() && = delete;
  ResultSet::Iterator end() && = delete;

  /// What happened: hit or miss, from where, stored or why not.
  [[nodiscard]] const Outcome& outcome() const& noexcept { return read_.outcome; }
  [[nodiscard]] Outcome outcome() && noexcept { return read_.outcome; }

 private:
  friend struct detail::InPlace;
  ReadResult read_;
};

/// The rows of a query as immutable objects: a cheap shared handle. What memory keeps are the
/// objects themselves, so a hit decodes nothing. Thread-safe if const access to `T` is. One that was moved from has
/// no rows.
template <class T>
class Rows {
 public:
  /// `const T&`; for bool, of which a vector holds no objects, a copy.
  using Reference = typename std::vector<T>::const_reference;

  explicit Rows(ReadResult read) noexcept : read_(std::move(read)) {}

  [[nodiscard]] std::size_t size() const noexcept { return all().size(); }
  [[nodiscard]] bool empty() const noexcept { return all().empty(); }
  /// Throws TypeError when out of range.
  [[nodiscard]] Reference operator[](std::size_t index) const& {
    if (index >= size())
      throw TypeError("row " + std::to_string(index) + " of " + std::to_string(size()));
    return all()[index];
  }
  /// Of a temporary: a copy.
  [[nodiscard]] T operator[](std::size_t index) && { return (*this)[index]; }
  /// The first row. Throws TypeError when there is none.
  [[nodiscard]] Reference front() const& { return (*this)[0]; }
  [[nodiscard]] T front() && { return front(); }
  /// The only row. Throws TypeError, which says how many came, when it is not one.
  [[nodiscard]] Reference one() const& {
    if (size() != 1) detail::fail_row_count("one row", size(), query_text());
    return all()[0];
  }
  [[nodiscard]] T one() && { return one(); }
  /// A copy of the only row, or nothing when there is none. Throws TypeError when there are more.
  [[nodiscard]] std::optional<T> optional() const {
    if (size() > 1) detail::fail_row_count("at most one row", size(), query_text());
    return empty() ? std::nullopt : std::optional<T>(all()[0]);
  }
  [[nodiscard]] const T* operator->() const& { return &front(); }
  const T* operator->() && = delete;
  [[nodiscard]] auto begin() const& noexcept { return all().begin(); }
  [[nodiscard]] auto end() const& noexcept { return all().end(); }
  auto begin() && = delete;
  auto end() && = delete;

  [[nodiscard]] const Outcome& outcome() const& noexcept { return read_.outcome; }
  [[nodiscard]] Outcome outcome() && noexcept { return read_.outcome; }

 private:
  [[nodiscard]] std::string_view query_text() const noexcept {
    return read_.entry ? read_.entry->key().prefix->text() : "a query whose rows were moved away";
  }
  [[nodiscard]] std::span<const T> all() const noexcept {
    return read_.entry ? read_.entry.values<T>() : std::span<const T>();
  }

  friend struct detail::InPlace;
  ReadResult read_;
};

/// One value of `get_or_load`: a cheap shared handle to an immutable object. One that was moved from throws TypeError
/// when it is asked for the value.
template <class T>
class Cached {
 public:
  explicit Cached(ReadResult read) noexcept : read_(std::move(read)) {}

  [[nodiscard]] const T& operator*() const& {
    if (!read_.entry) [[unlikely]]
      detail::fail_moved_from();
    return read_.entry.value<T>();
  }
  /// Of a temporary: a copy.
  [[nodiscard]] T operator*() && { return **this; }
  [[nodiscard]] const T* operator->() const& { return &**this; }
  const T* operator->() && = delete;
  [[nodiscard]] const Outcome& outcome() const& noexcept { return read_.outcome; }
  [[nodiscard]] Outcome outcome() && noexcept { return read_.outcome; }

 private:
  friend struct detail::InPlace;
  ReadResult read_;
};

}  // namespace querymark

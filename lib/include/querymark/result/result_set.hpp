#pragma once  // For users.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/key/parameter.hpp"
#include "querymark/support/bytes.hpp"

namespace querymark {

class ResultSet;

class Field;

namespace detail {
/// How enumerations and std::chrono do: see time_fields.hpp. Empty for any other type.
template <class T>
struct BuiltInField {};
}  // namespace detail

/// How a cell becomes a type of your own. Specialise it:
/// `static Money read(const Field& cell) { return {cell.as<std::int64_t>()}; }`.
template <class T>
struct FieldTraits : detail::BuiltInField<T> {};

template <class T>
concept CustomField = requires(const Field& field) {
  { FieldTraits<T>::read(field) } -> std::same_as<T>;
};

/// One cell of a row. Points into its result set, which must stay alive.
class Field {
 public:
  [[nodiscard]] ValueType type() const noexcept;
  [[nodiscard]] bool is_null() const noexcept { return type() == ValueType::null; }
  [[nodiscard]] std::string_view name() const noexcept;

  /// Text or bytes, in place. Throws TypeError for NULL and for numbers.
  [[nodiscard]] std::string_view view() const;

  /// The declared type of the column, as the database names it.
  [[nodiscard]] std::string_view declared_type() const noexcept;

  /// The cell as `T`: bool, an integer (range checked), a floating-point type (also from integers),
  /// std::string, std::string_view, Bytes or std::vector<std::byte>, an enumeration, a std::chrono
  /// duration, date or point in time, a type with FieldTraits, or std::optional of one of them,
  /// which NULL leaves empty. The text of a column declared `numeric` is read as a number where one
  /// is asked for. Throws TypeError naming the column when the cell is NULL, of another type, or
  /// out of range.
  template <class T>
  [[nodiscard]] T as() const;

  /// Throws the TypeError of a cell that is not `wanted`; for FieldTraits.
  [[noreturn]] void fail(std::string_view wanted) const;

 private:
  friend class Row;
  Field(const ResultSet& set, std::size_t row, std::size_t column) noexcept
      : set_(&set), row_(row), column_(column) {}

  [[nodiscard]] bool is_numeric_text() const noexcept;
  [[nodiscard]] std::int64_t integer(std::string_view wanted) const;
  [[nodiscard]] double number() const;
  [[nodiscard]] bool boolean() const;
  [[nodiscard]] std::string_view text(ValueType wanted) const;

  const ResultSet* set_;
  std::size_t row_;
  std::size_t column_;
};

/// One row. Points into its result set, which must stay alive.
class Row {
 public:
  Row(const ResultSet& set, std::size_t index) noexcept : set_(&set), index_(index) {}

  [[nodiscard]] std::size_t size() const noexcept;
  /// Throws TypeError when there is no such column.
  [[nodiscard]] Field operator[](std::size_t column) const;
  /// By name, exactly as the database reports it; the first of several equal names.
  [[nodiscard]] Field operator[](std::string_view column) const;

 private:
  const ResultSet* set_;
  std::size_t index_;
};

/// Immutable rows with column names and types in one contiguous buffer, which is also what shared
/// tiers store. Copies share the buffer. Thread-safe.
///
/// Taking rows from a temporary does not compile (a range-for over a temporary is fine: it keeps it
/// alive).
class ResultSet {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Row;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = Row;

    Iterator() = default;
    Iterator(const ResultSet& set, std::size_t index) noexcept : set_(&set), index_(index) {}
    Row operator*() const noexcept { return {*set_, index_}; }
    Iterator& operator++() noexcept {
      ++index_;
      return *this;
    }
    Iterator operator++(int) noexcept {
      Iterator before = *this;
      ++index_;
      return before;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) noexcept {
      return a.index_ == b.index_;
    }

   private:
    const ResultSet* set_ = nullptr;
    std::size_t index_ = 0;
  };

  /// No columns, no rows.
  ResultSet();
  ResultSet(const ResultSet&) = default;
  /// Leaves neither columns nor rows behind.
  ResultSet(ResultSet&& other) noexcept
      : buffer_(std::move(other.buffer_)),
        size_(std::exchange(other.size_, 0)),
        columns_(std::exchange(other.columns_, 0)),
        rows_(std::exchange(other.rows_, 0)) {}
  ResultSet& operator=(const ResultSet&) = default;
  ResultSet& operator=(ResultSet&& other) noexcept {
    ResultSet taken(std::move(other));  // it may be this one
    buffer_ = std::move(taken.buffer_);
    size_ = taken.size_;
    columns_ = taken.columns_;
    rows_ = taken.rows_;
    return *this;
  }
  ~ResultSet() = default;

  /// Takes an encoded result set from a source that nobody vouches for: nothing when the magic, the
  /// version, the checksum, any length or any offset is wrong. Never reads out of bounds. Linear in
  /// the size.
  [[nodiscard]] static std::optional<ResultSet> decode(ByteView encoded);
  /// The encoding, in place: version, checksum, columns, cells (little-endian).
  [[nodiscard]] ByteView encoded() const& noexcept { return {buffer_.get(), size_}; }
  ByteView encoded() && = delete;

  [[nodiscard]] std::size_t size() const noexcept { return rows_; }
  [[nodiscard]] bool empty() const noexcept { return rows_ == 0; }
  [[nodiscard]] std::size_t columns() const noexcept { return columns_; }
  /// Requires column < columns().
  [[nodiscard]] std::string_view column_name(std::size_t column) const& noexcept;
  /// The type as the database declares it, such as "INTEGER" or "numeric"; empty when it has none.
  [[nodiscard]] std::string_view column_type(std::size_t column) const& noexcept;
  /// Index of the first column of that name.
  [[nodiscard]] std::optional<std::size_t> find_column(std::string_view name) const noexcept;

  /// Throws TypeError when out of range.
  [[nodiscard]] Row row(std::size_t index) const&;
  Row row(std::size_t) && = delete;
  [[nodiscard]] Row operator[](std::size_t index) const& { return row(index); }
  Row operator[](std::size_t) && = delete;
  [[nodiscard]] Iterator begin() const& noexcept { return {*this, 0}; }
  [[nodiscard]] Iterator end() const& noexcept { return {*this, rows_}; }
  Iterator begin() && = delete;
  Iterator end() && = delete;

  /// Bytes on the heap.
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return size_; }

  /// Same columns (names and declared types) and same cells, in the same order.
  friend bool operator==(const ResultSet& a, const ResultSet& b) noexcept {
    return a.encoded_view() == b.encoded_view();
  }

 private:
  friend class Field;
  friend class ResultSetBuilder;
  explicit ResultSet(std::shared_ptr<const char[]> buffer, std::size_t size) noexcept;

  [[nodiscard]] ByteView encoded_view() const noexcept { return {buffer_.get(), size_}; }
  [[nodiscard]] ValueType cell_type(std::size_t row, std::size_t column) const noexcept;
  [[nodiscard]] std::uint64_t cell_bits(std::size_t row, std::size_t column) const noexcept;
  [[nodiscard]] std::string_view cell_view(std::size_t row, std::size_t column) const noexcept;

  std::shared_ptr<const char[]> buffer_;
  std::size_t size_ = 0;
  std::size_t columns_ = 0;
  std::size_t rows_ = 0;
};

/// Builds a result set row by row. Not thread-safe.
class ResultSetBuilder {
 public:
  /// All columns come before the first cell.
  void add_column(std::string_view name, std::string_view declared_type = {});
  /// Cells come row by row, column by column.
  void add(ParameterView cell);
  /// A row of a set without columns, which has no cells to tell it by (`select from t`).
  void add_bare_row() noexcept { ++bare_rows_; }
  /// Bytes that the cells so far would take.
  [[nodiscard]] std::size_t bytes() const noexcept;
  /// Ends the building. Throws Error when the last row is incomplete or the set would exceed 4 GiB.
  [[nodiscard]] ResultSet build() &&;

 private:
  struct Span {
    std::uint32_t offset;
    std::uint32_t size;
  };
  [[nodiscard]] Span store(std::string_view bytes);

  std::vector<std::uint64_t> columns_;  // pairs of spans: name, declared type
  std::string tags_;
  std::vector<std::uint64_t> slots_;
  std::string heap_;
  std::size_t bare_rows_ = 0;
};

namespace detail {
template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

using ByteVector = std::vector<std::byte>;
}  // namespace detail

template <class T>
T Field::as() const {
  if constexpr (detail::kIsOptional<T>) {
    if (is_null()) return std::nullopt;
    return as<typename T::value_type>();
  } else if constexpr (std::same_as<T, bool>) {
    return boolean();
  } else if constexpr (std::integral<T> && !detail::Character<T>) {
    const std::int64_t value = integer("an integer");
    if (!std::in_range<T>(value)) fail("an integer of that range");
    return static_cast<T>(value);
  } else if constexpr (std::floating_point<T>) {
    return static_cast<T>(number());
  } else if constexpr (std::same_as<T, std::string> || std::same_as<T, std::string_view>) {
    return T(text(ValueType::text));
  } else if constexpr (std::same_as<T, Bytes>) {
    return Bytes{std::string(text(ValueType::bytes))};
  } else if constexpr (std::same_as<T, detail::ByteVector>) {
    const std::span<const char> raw(text(ValueType::bytes));
    return {std::as_bytes(raw).begin(), std::as_bytes(raw).end()};
  } else if constexpr (CustomField<T>) {
    return FieldTraits<T>::read(*this);
  } else {
    static_assert(sizeof(T) == 0,
                  "a cell can't be read as this type: specialise querymark::FieldTraits for it");
  }
}

}  // namespace querymark

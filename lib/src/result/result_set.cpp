#include "querymark/result/result_set.hpp"

#include <array>
#include <bit>
#include <charconv>
#include <limits>

#include "querymark/support/counted.hpp"
#include "querymark/support/digest.hpp"
#include "querymark/support/error.hpp"

// Layout, all little-endian; offsets from the start of the buffer:
//   0  u32 magic "QMRS"   4  u16 version   6  u16 zero   8  u64 XXH3-64 of everything from 16 on
//  16  u32 columns       20  u32 rows     24  u64 heap offset
//  32  columns x { u32 name offset, u32 name size, u32 type offset, u32 type size }    (offsets in
//  the heap)
//   .  rows x columns x u8 cell type, zero-padded to a multiple of 8
//   .  rows x columns x u64 slot: the number's bits, or u32 offset in the heap | u32 size << 32
//   .  heap: names, types, text and bytes
// decode() proves every length and offset, so the accessors need no checks.

namespace querymark {
namespace {

constexpr std::uint32_t kMagic = 0x53524D51;  // "QMRS"
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kChecked = 16;
constexpr std::size_t kHeader = 32;
constexpr std::size_t kColumnBytes = 16;
constexpr std::size_t kSlotBytes = 8;
constexpr std::uint64_t kMostBareRows = 1U << 24U;  // taken on trust: their number costs no bytes

static_assert(std::endian::native == std::endian::little, "the encoding is read in place");

template <class Integer>
Integer load(const char* at) noexcept {
  Integer value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

struct Layout {
  std::uint64_t tags, slots, heap;
  // Counts are 32-bit, so no product or sum here can overflow 64 bits... except rows x columns x 9,
  // which the caller bounds first.
  Layout(std::uint64_t columns, std::uint64_t cells) noexcept
      : tags(kHeader + columns * kColumnBytes),
        slots(tags + (cells + 7) / 8 * 8),
        heap(slots + cells * kSlotBytes) {}
};

std::size_t heap_offset(const char* buffer) noexcept { return load<std::uint64_t>(buffer + 24); }

std::string_view span_at(const char* buffer, const char* span) noexcept {
  return {buffer + heap_offset(buffer) + load<std::uint32_t>(span), load<std::uint32_t>(span + 4)};
}

bool is_text_like(ValueType type) noexcept {
  return type == ValueType::text || type == ValueType::bytes;
}

bool valid_span(std::uint64_t bits, std::uint64_t heap_size) noexcept {
  return (bits & 0xFFFFFFFFU) + (bits >> 32U) <= heap_size;
}

bool valid(ByteView in) noexcept {
  const char* data = in.data();
  if (in.size() < kHeader || load<std::uint32_t>(data) != kMagic ||
      load<std::uint16_t>(data + 4) != kVersion || load<std::uint16_t>(data + 6) != 0 ||
      load<std::uint64_t>(data + 8) != checksum(in.substr(kChecked)))
    return false;
  const std::uint64_t columns = load<std::uint32_t>(data + 16);
  const std::uint64_t rows = load<std::uint32_t>(data + 20);
  const std::uint64_t cells = columns * rows;
  if (cells > in.size() || columns > in.size()) return false;
  if (columns == 0 && rows > kMostBareRows) return false;
  const Layout layout(columns, cells);
  if (layout.heap > in.size() || heap_offset(data) != layout.heap) return false;
  const std::uint64_t heap_size = in.size() - layout.heap;
  for (std::uint64_t i = 0; i < columns * 2; ++i)
    if (!valid_span(load<std::uint64_t>(data + kHeader + i * 8), heap_size)) return false;
  for (std::uint64_t i = 0; i < cells; ++i) {
    const auto tag = static_cast<unsigned char>(data[layout.tags + i]);
    if (tag > static_cast<unsigned char>(ValueType::bytes)) return false;
    if (is_text_like(static_cast<ValueType>(tag)) &&
        !valid_span(load<std::uint64_t>(data + layout.slots + i * kSlotBytes), heap_size))
      return false;
  }
  return true;
}

// The number that is all of `text`.
template <class Number>
std::optional<Number> number_in(std::string_view text) noexcept {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return value;
}

constexpr std::string_view kTypeNames[] = {"NULL",     "a boolean", "an integer",
                                           "a double", "text",      "bytes"};

}  // namespace

// Made once, and owned by nobody: machines and vectors hold many that are yet to get their rows.
ResultSet::ResultSet()
    : ResultSet(
          [] {
            static const std::array<char, kHeader> bytes = [] {
              std::array<char, kHeader> made{};
              const ResultSet none = ResultSetBuilder().build();
              std::memcpy(made.data(), none.encoded_view().data(), made.size());
              return made;
            }();
            return std::shared_ptr<const char[]>(std::shared_ptr<const char[]>(), bytes.data());
          }(),
          kHeader) {}

ResultSet::ResultSet(std::shared_ptr<const char[]> buffer, std::size_t size) noexcept
    : buffer_(std::move(buffer)),
      size_(size),
      columns_(load<std::uint32_t>(buffer_.get() + 16)),
      rows_(load<std::uint32_t>(buffer_.get() + 20)) {}

std::optional<ResultSet> ResultSet::decode(ByteView encoded) {
  if (!valid(encoded)) return std::nullopt;
  auto buffer = std::make_shared_for_overwrite<char[]>(encoded.size());
  std::memcpy(buffer.get(), encoded.data(), encoded.size());
  return ResultSet(std::move(buffer), encoded.size());
}

std::string_view ResultSet::column_name(std::size_t column) const& noexcept {
  return span_at(buffer_.get(), buffer_.get() + kHeader + column * kColumnBytes);
}

std::string_view ResultSet::column_type(std::size_t column) const& noexcept {
  return span_at(buffer_.get(), buffer_.get() + kHeader + column * kColumnBytes + 8);
}

std::optional<std::size_t> ResultSet::find_column(std::string_view name) const noexcept {
  for (std::size_t i = 0; i < columns_; ++i)
    if (column_name(i) == name) return i;
  return std::nullopt;
}

Row ResultSet::row(std::size_t index) const& {
  if (index >= rows_)
    throw TypeError("row " + std::to_string(index) + " of a result with " + std::to_string(rows_) +
                    " rows");
  return {*this, index};
}

ValueType ResultSet::cell_type(std::size_t row, std::size_t column) const noexcept {
  const Layout layout(columns_, columns_ * rows_);
  return static_cast<ValueType>(buffer_.get()[layout.tags + row * columns_ + column]);
}

std::uint64_t ResultSet::cell_bits(std::size_t row, std::size_t column) const noexcept {
  const Layout layout(columns_, columns_ * rows_);
  return load<std::uint64_t>(buffer_.get() + layout.slots + (row * columns_ + column) * kSlotBytes);
}

std::string_view ResultSet::cell_view(std::size_t row, std::size_t column) const noexcept {
  const std::uint64_t bits = cell_bits(row, column);
  return {buffer_.get() + heap_offset(buffer_.get()) + (bits & 0xFFFFFFFFU), bits >> 32U};
}

std::size_t Row::size() const noexcept { return set_->columns(); }

Field Row::operator[](std::size_t column) const {
  if (column >= set_->columns())
    throw TypeError("column " + std::to_string(column) + " of a result with " +
                    counted(set_->columns(), "column"));
  return {*set_, index_, column};
}

Field Row::operator[](std::string_view column) const {
  const auto found = set_->find_column(column);
  if (!found) throw TypeError("the result has no column \"" + std::string(column) + '"');
  return {*set_, index_, *found};
}

ValueType Field::type() const noexcept { return set_->cell_type(row_, column_); }

std::string_view Field::name() const noexcept { return set_->column_name(column_); }

std::string_view Field::declared_type() const noexcept { return set_->column_type(column_); }

void Field::fail(std::string_view wanted) const {
  throw TypeError("column \"" + std::string(name()) + "\", row " + std::to_string(row_) +
                  ": found " + std::string(kTypeNames[static_cast<std::size_t>(type())]) +
                  ", wanted " + std::string(wanted) +
                  (is_null() ? " (read a column that may be NULL as std::optional)" : ""));
}

// PostgreSQL's name; what SQLite declares so holds numbers wherever it can.
bool Field::is_numeric_text() const noexcept {
  return type() == ValueType::text && declared_type() == "numeric";
}

std::int64_t Field::integer(std::string_view wanted) const {
  if (is_numeric_text())
    if (const auto value = number_in<std::int64_t>(view())) return *value;
  if (type() != ValueType::int64) fail(wanted);
  return static_cast<std::int64_t>(set_->cell_bits(row_, column_));
}

double Field::number() const {
  if (is_numeric_text())
    if (const auto value = number_in<double>(view())) return *value;
  if (type() == ValueType::int64) return static_cast<double>(integer("a number"));
  if (type() != ValueType::float64) fail("a number");
  return std::bit_cast<double>(set_->cell_bits(row_, column_));
}

bool Field::boolean() const {
  if (type() == ValueType::boolean) return set_->cell_bits(row_, column_) != 0;
  const std::int64_t value = integer("a boolean");  // SQLite has no booleans of its own
  if (value != 0 && value != 1) fail("a boolean (0 or 1)");
  return value == 1;
}

std::string_view Field::text(ValueType wanted) const {
  if (type() != wanted) fail(kTypeNames[static_cast<std::size_t>(wanted)]);
  return set_->cell_view(row_, column_);
}

std::string_view Field::view() const {
  if (!is_text_like(type())) fail("text or bytes");
  return set_->cell_view(row_, column_);
}

ResultSetBuilder::Span ResultSetBuilder::store(std::string_view bytes) {
  if (heap_.size() + bytes.size() > std::numeric_limits<std::uint32_t>::max())
    throw Error("a result set of 4 GiB or more can't be held");
  const Span span{static_cast<std::uint32_t>(heap_.size()),
                  static_cast<std::uint32_t>(bytes.size())};
  heap_.append(bytes);
  return span;
}

void ResultSetBuilder::add_column(std::string_view name, std::string_view declared_type) {
  for (const std::string_view text : {name, declared_type}) {
    const Span span = store(text);
    columns_.push_back(span.offset | static_cast<std::uint64_t>(span.size) << 32U);
  }
}

void ResultSetBuilder::add(ParameterView cell) {
  if (cell.type() == ValueType::array || cell.type() == ValueType::list)
    cell = ParameterView::text(cell.as_view());
  if (cell.type() == ValueType::timestamp) cell = ParameterView::int64(cell.as_int64());
  tags_.push_back(static_cast<char>(cell.type()));
  std::uint64_t bits = 0;
  if (is_text_like(cell.type())) {
    const Span span = store(cell.as_view());
    bits = span.offset | static_cast<std::uint64_t>(span.size) << 32U;
  } else if (cell.type() == ValueType::float64) {
    bits = std::bit_cast<std::uint64_t>(cell.as_float64());
  } else {
    bits = static_cast<std::uint64_t>(cell.as_int64());
  }
  slots_.push_back(bits);
}

std::size_t ResultSetBuilder::bytes() const noexcept {
  return kHeader + columns_.size() * 8 + tags_.size() * (1 + kSlotBytes) + heap_.size();
}

ResultSet ResultSetBuilder::build() && {
  const std::size_t columns = columns_.size() / 2;
  const std::size_t cells = slots_.size();
  if (columns == 0 ? cells != 0 : cells % columns != 0 || bare_rows_ != 0)
    throw Error("a result set was built with an incomplete row");
  const std::size_t rows = columns == 0 ? bare_rows_ : cells / columns;
  if (std::max(rows, columns) > std::numeric_limits<std::uint32_t>::max())
    throw Error("a result set of more than 2^32-1 rows can't be held");
  const Layout layout(columns, cells);
  const std::size_t size = layout.heap + heap_.size();
  auto buffer = std::make_shared<char[]>(size);
  const auto copy = [&](std::size_t at, const void* from, std::size_t count) {
    if (count > 0) std::memcpy(buffer.get() + at, from, count);
  };
  const auto put = [&]<class Integer>(std::size_t at, Integer value) {
    copy(at, &value, sizeof(value));
  };
  put(0, kMagic);
  put(4, kVersion);
  put(16, static_cast<std::uint32_t>(columns));
  put(20, static_cast<std::uint32_t>(rows));
  put(24, layout.heap);
  copy(kHeader, columns_.data(), columns_.size() * 8);
  copy(layout.tags, tags_.data(), tags_.size());
  copy(layout.slots, slots_.data(), slots_.size() * kSlotBytes);
  copy(layout.heap, heap_.data(), heap_.size());
  put(8, checksum({buffer.get() + kChecked, size - kChecked}));
  return ResultSet(std::move(buffer), size);
}

}  // namespace querymark

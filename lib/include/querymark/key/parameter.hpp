#pragma once  // For users.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "querymark/key/type_kinds.hpp"
#include "querymark/support/bytes.hpp"
#include "querymark/support/error.hpp"

namespace querymark {

/// Binary data, as a parameter or a column value: distinct from text, which must be what the
/// database calls text.
struct Bytes {
  std::string data;
  friend bool operator==(const Bytes&, const Bytes&) = default;
};

/// The type of a parameter or of a cell; arrays, lists and timestamps
/// are only ever parameters. The numbers are part of stored encodings: never change one.
enum class ValueType : std::uint8_t {
  null = 0,
  boolean = 1,
  int64 = 2,
  float64 = 3,
  text = 4,
  bytes = 5,
  array = 6,      // as PostgreSQL spells it
  list = 7,       // see ListBuilder
  timestamp = 8,  // microseconds since 1970, UTC
};

/// One bound parameter, not owning its text or bytes: valid as long as what it was made from.
class ParameterView {
 public:
  constexpr ParameterView() noexcept = default;
  static constexpr ParameterView boolean(bool value) noexcept {
    return {ValueType::boolean, value};
  }
  static constexpr ParameterView int64(std::int64_t value) noexcept {
    return {ValueType::int64, value};
  }
  static constexpr ParameterView float64(double value) noexcept {
    ParameterView view(ValueType::float64, 0);
    view.double_ = value;
    return view;
  }
  static constexpr ParameterView text(std::string_view value) noexcept {
    return {ValueType::text, value};
  }
  static constexpr ParameterView bytes(ByteView value) noexcept {
    return {ValueType::bytes, value};
  }
  /// `literal` is an array as the database's language spells it, `element` the type of its elements
  /// (null where there are none).
  static constexpr ParameterView array(ValueType element, std::string_view literal) noexcept {
    ParameterView view(ValueType::array, literal);
    view.integer_ = static_cast<std::int64_t>(element);
    return view;
  }
  /// `encoded` is what ListBuilder makes.
  static constexpr ParameterView list(ByteView encoded) noexcept {
    return {ValueType::list, encoded};
  }
  static constexpr ParameterView timestamp(std::int64_t microseconds) noexcept {
    return {ValueType::timestamp, microseconds};
  }
  /// The same parameter over a copy of its text or bytes.
  [[nodiscard]] constexpr ParameterView over(ByteView copy) const noexcept {
    ParameterView view = *this;
    view.view_ = copy;
    return view;
  }

  [[nodiscard]] constexpr ValueType type() const noexcept { return type_; }
  /// Requires the matching type.
  [[nodiscard]] constexpr std::int64_t as_int64() const noexcept { return integer_; }
  [[nodiscard]] constexpr double as_float64() const noexcept { return double_; }
  [[nodiscard]] constexpr ByteView as_view() const noexcept { return view_; }
  [[nodiscard]] constexpr ValueType element_type() const noexcept {
    return static_cast<ValueType>(integer_);
  }
  /// True for text, bytes, arrays and lists: what lies outside the view.
  [[nodiscard]] constexpr bool has_bytes() const noexcept {
    return type_ >= ValueType::text && type_ != ValueType::timestamp;
  }

 private:
  constexpr ParameterView(ValueType type, std::int64_t integer) noexcept
      : type_(type), integer_(integer) {}
  constexpr ParameterView(ValueType type, std::string_view view) noexcept
      : type_(type), view_(view) {}

  ValueType type_ = ValueType::null;
  std::int64_t integer_ = 0;
  double double_ = 0;
  std::string_view view_;
};

/// A parameter together with the text that was made for it; it must outlive the views of it.
class OwnedParameter {
 public:
  OwnedParameter() = default;
  /// `view` tells the type; `data` takes the place of its text or bytes.
  OwnedParameter(ParameterView view, std::string data) : view_(view), data_(std::move(data)) {}
  /// With its own copy of what the view points to.
  [[nodiscard]] static OwnedParameter copy_of(ParameterView view) {
    return {view, view.has_bytes() ? std::string(view.as_view()) : std::string()};
  }
  operator ParameterView() const noexcept { return view_.has_bytes() ? view_.over(data_) : view_; }

 private:
  ParameterView view_;
  std::string data_;
};

namespace detail {
/// How enumerations and std::chrono do: see time_values.hpp. Empty for any other type.
template <class T>
struct BuiltInParameter {};
}  // namespace detail

/// How a C++ value becomes a parameter. Specialise it for your own types:
/// `static ParameterView view(const Money& m) { return ParameterView::int64(m.cents); }`. A value
/// that has to be converted to text first gives an OwnedParameter.
template <class T>
struct ParameterTraits : detail::BuiltInParameter<T> {};

template <class T>
concept BindableParameter = requires(const T& value) {
  { ParameterTraits<std::remove_cvref_t<T>>::view(value) } -> std::convertible_to<ParameterView>;
};

template <>
struct ParameterTraits<ParameterView> {
  static constexpr ParameterView view(ParameterView value) noexcept { return value; }
};
template <>
struct ParameterTraits<std::nullptr_t> {
  static constexpr ParameterView view(std::nullptr_t) noexcept { return {}; }
};
template <>
struct ParameterTraits<std::nullopt_t> {
  static constexpr ParameterView view(std::nullopt_t) noexcept { return {}; }
};
template <>
struct ParameterTraits<bool> {
  static constexpr ParameterView view(bool value) noexcept { return ParameterView::boolean(value); }
};
template <std::integral T>
  requires(!std::same_as<T, bool> && !detail::Character<T>)
struct ParameterTraits<T> {
  static ParameterView view(T value) {
    if (std::cmp_greater(value, std::numeric_limits<std::int64_t>::max()))
      throw ConfigError("a parameter above 2^63-1 fits no SQL integer; pass it as text");
    return ParameterView::int64(static_cast<std::int64_t>(value));
  }
};
template <std::floating_point T>
struct ParameterTraits<T> {
  static constexpr ParameterView view(T value) noexcept {
    return ParameterView::float64(static_cast<double>(value));
  }
};
template <class T>
  requires(std::convertible_to<const T&, std::string_view> && !std::same_as<T, std::nullptr_t>)
struct ParameterTraits<T> {
  static ParameterView view(const T& value) {
    if constexpr (std::is_pointer_v<T>)
      if (value == nullptr) return {};
    return ParameterView::text(std::string_view(value));
  }
};
template <>
struct ParameterTraits<Bytes> {
  static ParameterView view(const Bytes& value) noexcept {
    return ParameterView::bytes(value.data);
  }
};
/// Ranges of std::byte: vectors, spans, arrays.
template <class T>
concept ByteRange = std::ranges::contiguous_range<const T> && std::ranges::sized_range<const T> &&
                    std::same_as<std::ranges::range_value_t<const T>, std::byte>;
template <ByteRange T>
struct ParameterTraits<T> {
  static ParameterView view(const T& value) noexcept {
    return ParameterView::bytes(
        {reinterpret_cast<const char*>(std::ranges::data(value)), std::ranges::size(value)});
  }
};
template <class T>
  requires BindableParameter<T>
struct ParameterTraits<std::optional<T>> {
  static auto view(const std::optional<T>& value) {
    using View = decltype(ParameterTraits<T>::view(*value));
    return value ? ParameterTraits<T>::view(*value) : View();
  }
};

/// A ParameterView, or an OwnedParameter that converts to one.
template <BindableParameter T>
[[nodiscard]] auto as_parameter(const T& value) {
  return ParameterTraits<std::remove_cvref_t<T>>::view(value);
}

namespace detail {

[[noreturn, gnu::cold]] void refuse_huge_parameter();

/// Appends the canonical, self-delimiting encoding of one parameter: a type byte, then 8 bytes
/// little-endian for numbers (doubles by their bits), or a length-prefixed block for text,
/// bytes and lists; an array has the type byte of its elements before the block.
template <class Sink>
[[gnu::always_inline]] inline void encode_parameter(Sink& sink, ParameterView parameter) {
  const char tag = static_cast<char>(parameter.type());
  sink.append(&tag, 1);
  switch (parameter.type()) {
    case ValueType::null:
      break;
    case ValueType::boolean: {
      const char bit = parameter.as_int64() != 0 ? 1 : 0;
      sink.append(&bit, 1);
      break;
    }
    case ValueType::int64:
    case ValueType::timestamp:
      put_integer(sink, parameter.as_int64());
      break;
    case ValueType::float64: {
      std::uint64_t bits = 0;
      const double value = parameter.as_float64();
      std::memcpy(&bits, &value, sizeof(bits));
      put_integer(sink, bits);
      break;
    }
    case ValueType::array: {
      const char element = static_cast<char>(parameter.element_type());
      sink.append(&element, 1);
      [[fallthrough]];
    }
    case ValueType::text:
    case ValueType::bytes:
    case ValueType::list:
      if (parameter.as_view().size() > std::numeric_limits<std::uint32_t>::max())
        refuse_huge_parameter();
      put_block(sink, parameter.as_view());
      break;
  }
}

}  // namespace detail
}  // namespace querymark

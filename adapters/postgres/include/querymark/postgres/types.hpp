#pragma once  // For users.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <pqxx/strconv>
#include <pqxx/version>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "querymark/key/parameters.hpp"
#include "querymark/result/result_set.hpp"

/// More types than the core's own, as parameters and as cells:
///   - whatever libpqxx converts to and from text (`pqxx::string_traits`): your own types, and
///     enumerations declared with PQXX_DECLARE_ENUM_CONVERSION;
///   - std::vector of any type that is itself a cell, std::optional for elements that may be NULL:
///     one-dimensional arrays (as parameters they are lists, see ListBuilder). Of box, whose arrays
///     alone are parted by semicolons, std::vector<postgres::Box> is one; texts go in as
///     `$1::text[]::box[]`.
/// NUMERIC is text; ask for a number, or a decimal type of your own, and it is read as that.

namespace querymark::detail {

/// True for a type for which somebody has written conversions. In libpqxx 7 string_traits exist for
/// every type, but only for those does `nullness` hold a constant.
template <class T>
concept ConvertedByPqxx =
#if PQXX_VERSION_MAJOR >= 7
    requires { typename std::bool_constant<pqxx::nullness<T>::has_null>; };
#else
    requires { sizeof(pqxx::string_traits<T>); };
#endif

#if PQXX_VERSION_MAJOR >= 7
/// Of enumerations libpqxx 7 says that none can be null, also of those that it can't convert.
template <class T>
concept EnumOfPqxx = std::is_base_of_v<pqxx::internal::enum_traits<T>, pqxx::string_traits<T>> ||
                     requires { requires pqxx::string_traits<T>::converts_to_string; };
#else
template <class T>
concept EnumOfPqxx = true;
#endif

template <class T>
[[nodiscard]] bool is_pqxx_null(const T& value) {
#if PQXX_VERSION_MAJOR >= 7
  return pqxx::is_null(value);
#else
  if constexpr (requires { pqxx::string_traits<T>::is_null(value); })
    return pqxx::string_traits<T>::is_null(value);
  else
    return false;  // 6.4's enumerations do not even say so
#endif
}

}  // namespace querymark::detail

namespace querymark::postgres {

/// A type that libpqxx converts and the core does not know.
template <class T>
concept PqxxType = std::is_object_v<T> && !std::is_array_v<T> && !std::is_arithmetic_v<T> &&
                   !std::is_pointer_v<T> && !std::convertible_to<const T&, std::string_view> &&
                   !ByteRange<T> && !detail::kIsList<T> && !detail::kIsOptional<T> &&
                   !std::is_null_pointer_v<T> && !std::same_as<T, std::nullopt_t> &&
                   detail::ConvertedByPqxx<T> && (!std::is_enum_v<T> || detail::EnumOfPqxx<T>);

/// A box as PostgreSQL spells it: `(3,4),(1,2)`.
struct Box {
  std::string text;
  friend bool operator==(const Box&, const Box&) = default;
};

/// What parts the elements of an array of such values (`typdelim` in pg_type). Specialise it for a
/// type of your own that has another.
template <class T>
inline constexpr char kArrayDelimiter = ',';
template <>
inline constexpr char kArrayDelimiter<Box> = ';';
template <class T>
inline constexpr char kArrayDelimiter<std::optional<T>> = kArrayDelimiter<T>;

/// Builds PostgreSQL's own text of a one-dimensional array, such as `{1,NULL}` or `{"a","b\"c"}`.
class ArrayBuilder {
 public:
  explicit ArrayBuilder(char delimiter = ',') noexcept : delimiter_(delimiter) {}
  /// Throws ConfigError for an array, and for text with a NUL.
  ArrayBuilder& add(ParameterView element);
  [[nodiscard]] OwnedParameter build() &&;

 private:
  char delimiter_;
  std::string text_;
  ValueType element_ = ValueType::null;
};

/// How elements are read whose type the database has made: a domain's array is named by the domain,
/// and nothing tells over what that is.
enum class ElementsAs : std::uint8_t { text, number, boolean, bytes };

/// That which `T` asks for.
template <class T>
[[nodiscard]] constexpr ElementsAs elements_as() noexcept {
  if constexpr (detail::kIsOptional<T>)
    return elements_as<typename T::value_type>();
  else if constexpr (std::is_same_v<T, bool>)
    return ElementsAs::boolean;
  else if constexpr (std::is_arithmetic_v<T>)
    return ElementsAs::number;
  else if constexpr (std::is_same_v<T, Bytes> || std::is_same_v<T, detail::ByteVector>)
    return ElementsAs::bytes;
  else
    return ElementsAs::text;
}

/// The elements of an array cell, one a row, typed as cells of the element's type are; `as` where
/// that type is not one of the server's own. Throws TypeError for what is no array or has more than
/// one dimension.
[[nodiscard]] ResultSet elements_of(const Field& array, ElementsAs as = ElementsAs::text);

/// A cell as PostgreSQL spells it. Throws TypeError for NULL.
[[nodiscard]] std::string cell_text(const Field& cell);

}  // namespace querymark::postgres

namespace querymark {

template <postgres::PqxxType T>
struct ParameterTraits<T> {
  static OwnedParameter view(const T& value) {
    if (detail::is_pqxx_null(value)) return {};
    return {ParameterView::text({}), pqxx::to_string(value)};
  }
};

template <postgres::PqxxType T>
  requires std::default_initializable<T>
struct FieldTraits<T> {
  static T read(const Field& cell) {
    const std::string text = postgres::cell_text(cell);
    T value{};
    try {
      pqxx::from_string(text, value);
    } catch (const std::exception& failure) {  // whatever the conversion throws
      cell.fail("text that its type can read (" + std::string(failure.what()) + ')');
    }
    return value;
  }
};

template <>
struct ParameterTraits<postgres::Box> {
  static ParameterView view(const postgres::Box& box) { return ParameterView::text(box.text); }
};
template <>
struct FieldTraits<postgres::Box> {
  static postgres::Box read(const Field& cell) { return {postgres::cell_text(cell)}; }
};

template <class T>
  requires(BindableParameter<T> && postgres::kArrayDelimiter<T> != ',')
struct ParameterTraits<std::vector<T>> {  // of any other type: see ListBuilder
  static OwnedParameter view(const std::vector<T>& values) {
    postgres::ArrayBuilder builder(postgres::kArrayDelimiter<T>);
    for (const auto& value : values) builder.add(as_parameter<T>(value));
    return std::move(builder).build();
  }
};

template <class T>
  requires(!std::same_as<T, std::byte> && !std::same_as<T, std::string_view> && !detail::kIsList<T>)
struct FieldTraits<std::vector<T>> {
  static std::vector<T> read(const Field& cell) {
    const ResultSet elements = postgres::elements_of(cell, postgres::elements_as<T>());
    std::vector<T> values;
    values.reserve(elements.size());
    for (const Row element : elements) values.push_back(element[0].as<T>());
    return values;
  }
};

}  // namespace querymark

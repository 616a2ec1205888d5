#pragma once  // For users.

#include <boost/pfr.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "querymark/result/result_set.hpp"
#include "querymark/result/time_fields.hpp"

namespace querymark::detail {

template <class T>
inline constexpr bool kIsCell =
    (std::is_arithmetic_v<T> && !Character<T>) || std::is_same_v<T, std::string> ||
    std::is_same_v<T, Bytes> || std::is_same_v<T, ByteVector> || CustomField<T>;
template <class T>
inline constexpr bool kIsCell<std::optional<T>> = kIsCell<T>;

template <class T>
inline constexpr bool kIsView = std::is_same_v<T, std::string_view> || std::is_pointer_v<T>;
template <class T>
inline constexpr bool kIsView<std::optional<T>> = kIsView<T>;

/// Whether a field of a mapped object can be read; says of which type it can't.
template <class Field>
constexpr bool require_field() {
  static_assert(!kIsView<Field>, "a mapped object must own its text: use std::string");
  static_assert(
      kIsView<Field> || kIsCell<Field>,
      "a field can't be read from a cell: specialise querymark::FieldTraits for its type");
  return kIsCell<Field>;
}
/// Whether rows can be mapped to `T`; what can't be is told at the line that asks for it.
template <class T>
constexpr bool require_row_type() {
  if constexpr (kIsCell<T>) {
    return true;
  } else if constexpr (std::is_aggregate_v<T> && !std::is_array_v<T>) {
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return (require_field<std::remove_cv_t<boost::pfr::tuple_element_t<I, T>>>() && ...);
    }(std::make_index_sequence<boost::pfr::tuple_size_v<T>>());
  } else {
    static_assert(kIsCell<T>,
                  "rows can't be mapped to this type: ask for a cell type or a plain struct, "
                  "specialise querymark::FieldTraits for it, or pass a mapper");
    return false;
  }
}

[[noreturn]] void fail_column_count(std::size_t columns, std::size_t fields);
/// `wanted`: "one row". `what` is the query, of which the error shows the beginning.
[[noreturn]] void fail_row_count(std::string_view wanted, std::size_t rows, std::string_view what);

/// Maps a row to `T`: a single cell, or an aggregate whose fields take the columns in order.
template <class T>
struct AutoMapper {
  static void check(const ResultSet& set) {
    if (set.columns() != fields()) fail_column_count(set.columns(), fields());
  }
  T operator()(const Row& row) const {
    if constexpr (kIsCell<T>) {
      return row[0].as<T>();
    } else {
      T mapped{};
      if constexpr (require_row_type<T>())  // or the errors of what follows would hide its own
        boost::pfr::for_each_field(mapped, [&row](auto& field, std::size_t column) {
          field = row[column].as<std::remove_reference_t<decltype(field)>>();
        });
      return mapped;
    }
  }

 private:
  static constexpr std::size_t fields() {
    if constexpr (kIsCell<T> || !std::is_aggregate_v<T>)
      return 1;
    else
      return boost::pfr::tuple_size_v<T>;
  }
};

/// Says at the line that passes it what is wrong with a mapper.
template <class T, class Mapper>
constexpr void require_mapper() {
  if constexpr (std::is_same_v<Mapper, AutoMapper<T>>)
    require_row_type<T>();
  else if constexpr (!std::is_same_v<T, ResultSet>) {
    static_assert(std::is_empty_v<Mapper>, "a mapper with state could map one key in two ways");
    static_assert(std::is_invocable_r_v<T, const Mapper&, const Row&>,
                  "a mapper takes a querymark::Row and returns what the query is asked for; "
                  "specialise querymark::FieldTraits for a single cell");
  }
}

/// Bytes on the heap behind one mapped value, as far as its type shows: strings, vectors, optionals
/// and aggregates of them. A class may offer `std::size_t heap_bytes() const` instead.
template <class T>
[[nodiscard]] std::size_t heap_bytes_of(const T& value) {
  if constexpr (requires {
                  { value.heap_bytes() } -> std::convertible_to<std::size_t>;
                }) {
    return value.heap_bytes();
  } else if constexpr (std::is_same_v<T, std::string>) {
    return value.capacity() > std::string().capacity() ? value.capacity() + 1 : 0;
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return heap_bytes_of(value.data);
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    return 0;
  } else if constexpr (requires {
                         typename T::value_type;
                         value.has_value();
                         *value;
                       }) {
    return value.has_value() ? heap_bytes_of(*value) : 0;
  } else if constexpr (requires {
                         typename T::value_type;
                         value.begin();
                         value.end();
                         value.size();
                       }) {
    std::size_t bytes = value.size() * sizeof(typename T::value_type);
    if constexpr (requires { value.capacity(); })
      bytes = value.capacity() * sizeof(typename T::value_type);
    for (const auto& element : value) bytes += heap_bytes_of(element);
    return bytes;
  } else if constexpr (std::is_aggregate_v<T> && !std::is_array_v<T>) {
    std::size_t bytes = 0;
    boost::pfr::for_each_field(value,
                               [&bytes](const auto& field) { bytes += heap_bytes_of(field); });
    return bytes;
  } else {
    return 0;
  }
}

/// The rows as objects. Throws TypeError when the column count or a cell's type does not fit.
template <class T, class Mapper>
[[nodiscard]] std::vector<T> map_rows(const ResultSet& set, const Mapper& mapper) {
  if constexpr (requires { Mapper::check(set); }) Mapper::check(set);
  std::vector<T> mapped;
  mapped.reserve(set.size());
  for (const Row row : set) mapped.push_back(mapper(row));
  return mapped;
}

template <class T>
inline char type_anchor = 0;

/// Name of a type inside this process. Its mangled name alone would not do: lambdas of equally
/// named static functions in two files share it, but not the address.
template <class T>
[[nodiscard]] std::string type_tag() {
#if defined(__cpp_rtti)
  const char* const name = typeid(T).name();
#else
  const char* const name = __PRETTY_FUNCTION__;  // of this very T
#endif
  return name + ('@' + std::to_string(reinterpret_cast<std::uintptr_t>(&type_anchor<T>)));
}

/// Name of what an entry stores: part of the key inside this process.
template <class T, class Mapper>
[[nodiscard]] std::string stored_type_name() {
  return type_tag<T>() + '/' + type_tag<Mapper>();
}

}  // namespace querymark::detail

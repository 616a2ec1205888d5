#pragma once  // For users.

#include <array>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "querymark/key/parameter.hpp"

namespace querymark {

namespace detail {
template <class T>
inline constexpr bool kIsList = false;
template <class T, class Allocator>
inline constexpr bool kIsList<std::vector<T, Allocator>> = !std::is_same_v<T, std::byte>;
template <class T, std::size_t N>
inline constexpr bool kIsList<std::span<T, N>> = !std::is_same_v<std::remove_const_t<T>, std::byte>;
template <class T, std::size_t N>
inline constexpr bool kIsList<std::array<T, N>> = !std::is_same_v<T, std::byte>;
}  // namespace detail

/// Builds a list of values that is one parameter: an array on PostgreSQL (`id = any($1)`), a JSON
/// array on SQLite (`id in (select value from json_each(?))`). Which is the adapter's to say: the
/// key and the hit path know the elements only.
class ListBuilder {
 public:
  /// Throws ConfigError for a list, which no database has in a list, and for an element of 4 GiB.
  ListBuilder& add(ParameterView element);
  [[nodiscard]] OwnedParameter build() && { return {ParameterView::list({}), std::move(encoded_)}; }

 private:
  std::string encoded_;
};

/// The elements of a list parameter; they point into it. For adapters. Throws ConfigError for what
/// ListBuilder has not made.
[[nodiscard]] std::vector<ParameterView> elements_of_list(ParameterView list);

/// std::vector, std::span and std::array of what is a parameter itself are lists; std::optional for
/// elements that may be NULL. Ranges of std::byte are bytes.
template <class L>
  requires(detail::kIsList<L> && !detail::kIsList<typename L::value_type> &&
           BindableParameter<typename L::value_type>)
struct ParameterTraits<L> {
  static OwnedParameter view(const L& values) {
    ListBuilder list;
    for (const auto& value : values) list.add(as_parameter<typename L::value_type>(value));
    return std::move(list).build();
  }
};

}  // namespace querymark

#pragma once  // For users.

#include <concepts>
#include <cstddef>
#include <type_traits>

// Which types are values without anybody saying how.

namespace querymark::detail {

template <class T, class... Others>
inline constexpr bool kIsOneOf = (std::same_as<T, Others> || ...);

/// A type of characters. One is neither a number nor a text unless somebody says which.
template <class T>
concept Character = kIsOneOf<std::remove_cv_t<T>, char, wchar_t, char8_t, char16_t, char32_t>;

/// An enumeration that is a number: a byte is one of many, and no value of its own.
template <class T>
concept Enumeration = std::is_enum_v<T> && !std::same_as<std::remove_cv_t<T>, std::byte>;

}  // namespace querymark::detail

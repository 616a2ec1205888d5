#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "querymark/key/parameter.hpp"
#include "querymark/read/loader.hpp"
#include "querymark/result/result_set.hpp"

// For nobody outside: statements for many keys, whose rows tell by an ordinal which key they are of.
//
// By the ordinal, never by the key's value: who looks for `bob` where the database takes `Bob` for the
// same gets the row that it says.

namespace querymark::detail {

/// Maps the rows of one key of such a statement, without their ordinal.
template <class Mapper>
struct ByOrdinal : Mapper {};

template <class Mapper>
struct WithoutOrdinal {
  static constexpr bool kHadOne = false;
  using Type = Mapper;
};
template <class Mapper>
struct WithoutOrdinal<ByOrdinal<Mapper>> {
  static constexpr bool kHadOne = true;
  using Type = Mapper;
};
template <class Mapper>
inline constexpr bool kByOrdinal = WithoutOrdinal<Mapper>::kHadOne;

/// The rows of each of so many keys, without their first column, in the order in which they came.
/// Throws ConfigError, which shows the beginning of `sql`, when the first column is no ordinal, or one
/// that nobody has asked for.
[[nodiscard]] std::vector<ResultSet> split_by_ordinal(const ResultSet& rows, std::size_t keys,
                                                      std::string_view sql);

/// Runs the statement once for all keys: with the list of them, and then the others. `replica`: one may
/// be asked. Blocks. Throws what the loader throws, and as `split_by_ordinal`.
[[nodiscard]] std::vector<LoadedRows> load_by_ordinal(Loader& loader, std::string_view sql,
                                                      std::span<const ParameterView> keys,
                                                      std::span<const ParameterView> others,
                                                      bool replica);

}  // namespace querymark::detail

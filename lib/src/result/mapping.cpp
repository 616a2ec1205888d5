#include "querymark/result/mapping.hpp"

#include "querymark/support/counted.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/excerpt.hpp"

namespace querymark::detail {

void fail_column_count(std::size_t columns, std::size_t fields) {
  throw TypeError("the result has " + counted(columns, "column") + ", the mapped type takes " +
                  std::to_string(fields));
}

void fail_row_count(std::string_view wanted, std::size_t rows, std::string_view what) {
  constexpr std::size_t kShown = 100;
  throw TypeError(std::string(wanted) + " was expected, and " +
                  (rows == 0 ? "none" : std::to_string(rows)) + " came: " + excerpt(what, kShown));
}

}  // namespace querymark::detail

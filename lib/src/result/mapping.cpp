#include "querymark/result/mapping.hpp"

#include "querymark/support/error.hpp"

namespace querymark::detail {

void fail_column_count(std::size_t columns, std::size_t fields) {
  throw TypeError("the result has " + std::to_string(columns) + " columns, the mapped type takes " +
                  std::to_string(fields));
}

}  // namespace querymark::detail

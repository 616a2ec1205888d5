#include "querymark/read/result.hpp"

#include "querymark/support/error.hpp"

namespace querymark::detail {

const ResultSet& no_rows() {
  static const ResultSet none;
  return none;
}

void fail_moved_from() { throw TypeError("this handle has no value any more: it was moved from"); }

}  // namespace querymark::detail

// expect: segment_text
#include "preamble.hpp"

querymark::Target target(std::byte flags) {
  return querymark::tag("flags", flags);  // here
}

#include "querymark/read/route.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace querymark {

void Route::end(std::string_view query) noexcept {
  constexpr std::size_t kLongest = 200;
  const std::size_t shown = std::min(query.size(), kLongest);
  std::fprintf(stderr, "querymark: \"%.*s%s\" was used after its database was destroyed\n",
               static_cast<int>(shown), query.data(), shown < query.size() ? "..." : "");
  std::abort();
}

}  // namespace querymark

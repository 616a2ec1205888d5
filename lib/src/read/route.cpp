#include "querymark/read/route.hpp"

#include <cstdio>
#include <cstdlib>

#include "querymark/support/excerpt.hpp"

namespace querymark {

void Route::end(std::string_view query) noexcept {
  constexpr std::size_t kLongest = 200;
  const std::string_view shown = beginning(query, kLongest);
  std::fprintf(stderr, "querymark: \"%.*s%s\" was used after its database was destroyed\n",
               static_cast<int>(shown.size()), shown.data(),
               shown.size() < query.size() ? "..." : "");
  std::abort();
}

}  // namespace querymark

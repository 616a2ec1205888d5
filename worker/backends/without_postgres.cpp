#include <algorithm>

#include "backends/absent.hpp"
#include "backends/scheme.hpp"
#include "querymark/support/ascii.hpp"

namespace querymark::cli {
namespace {

class WithoutPostgres final : public AbsentBackend {
 public:
  WithoutPostgres() : AbsentBackend("PostgreSQL", "QUERYMARK_POSTGRES") {}
  // URLs, and what looks like libpq's keyword strings: only libpq knows all of its keywords.
  [[nodiscard]] bool accepts(const std::string& url) const override {
    const std::string_view scheme = scheme_of(url);
    if (scheme == "postgresql" || scheme == "postgres") return true;
    const std::string_view word = std::string_view(url).substr(0, url.find('='));
    return word.size() < url.size() &&
           std::ranges::all_of(
               word, [](char c) { return ascii::is_letter(c) || c == '_' || ascii::is_blank(c); });
  }
};

}  // namespace

const Backend& postgres_backend() {
  static const WithoutPostgres backend;
  return backend;
}

}  // namespace querymark::cli

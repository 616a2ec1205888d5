#include "backends/absent.hpp"
#include "backends/scheme.hpp"

namespace querymark::cli {
namespace {

class WithoutSqlite final : public AbsentBackend {
 public:
  WithoutSqlite() : AbsentBackend("SQLite", "QUERYMARK_SQLITE") {}
  [[nodiscard]] bool accepts(const std::string& url) const override {
    return scheme_of(url) == "sqlite";
  }
};

}  // namespace

const Backend& sqlite_backend() {
  static const WithoutSqlite backend;
  return backend;
}

}  // namespace querymark::cli

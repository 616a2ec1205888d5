#include "backends/absent.hpp"
#include "backends/scheme.hpp"

namespace querymark::cli {
namespace {

class WithoutFileTier final : public AbsentBackend {
 public:
  WithoutFileTier() : AbsentBackend("the file tier", "QUERYMARK_FILE_TIER") {}
  [[nodiscard]] bool accepts(const std::string& url) const override {
    return scheme_of(url) == "sqlite";
  }
};

}  // namespace

const Backend& file_tier_backend() {
  static const WithoutFileTier backend;
  return backend;
}

}  // namespace querymark::cli

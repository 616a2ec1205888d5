#include "backends/absent.hpp"
#include "backends/scheme.hpp"

namespace querymark::cli {
namespace {

class WithoutRedis final : public AbsentBackend {
 public:
  WithoutRedis() : AbsentBackend("Redis", "QUERYMARK_REDIS") {}
  [[nodiscard]] bool accepts(const std::string& url) const override { return names_redis(url); }
};

}  // namespace

const Backend& redis_backend() {
  static const WithoutRedis backend;
  return backend;
}

}  // namespace querymark::cli

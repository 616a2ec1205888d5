#include "backends/backend.hpp"
#include "backends/scheme.hpp"

namespace querymark::cli {
namespace {

// A worker would have nothing to do there: under which keys values lie can't be told from what is
// invalidated, and who reads them asks nobody but the log whether they are fresh.
class MemcachedBackend final : public Backend {
 public:
  [[nodiscard]] bool accepts(const std::string& url) const override {
    return scheme_of(url) == "memcached";
  }
  [[nodiscard]] std::string lacks() const override {
    return "memcached servers hold no log, and need no worker: whoever reads from them judges each "
           "value by the log itself. reconcile does not look into them, only into file tiers and "
           "Redis";
  }
};

}  // namespace

const Backend& memcached_backend() {
  static const MemcachedBackend backend;
  return backend;
}

}  // namespace querymark::cli

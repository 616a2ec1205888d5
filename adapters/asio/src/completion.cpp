#include "querymark/asio/completion.hpp"

#include <string>

#include "querymark/read/cache.hpp"
#include "querymark/support/error.hpp"

namespace querymark::detail {

Offload* pool_of(Source& source) noexcept { return source.cache().options().offload.get(); }

std::exception_ptr no_pool() {
  return std::make_exception_ptr(ConfigError(
      "a call on an event loop needs threads for what blocks: give the cache an offload "
      "(CacheOptions::offload)"));
}

Offload& blocking_pool(Source& source) {
  Offload* const offload = pool_of(source);
  if (offload == nullptr) std::rethrow_exception(no_pool());
  return *offload;
}

std::exception_ptr no_thread(Offloaded why) {
  std::string said = "no thread of the cache's offload takes a call on an event loop: ";
  said.append(to_string(why));
  return std::make_exception_ptr(Error(said, {.retryable = why == Offloaded::full}));
}

}  // namespace querymark::detail

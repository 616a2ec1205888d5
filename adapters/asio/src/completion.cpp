#include "querymark/asio/completion.hpp"

#include <string>

#include "querymark/read/cache.hpp"
#include "querymark/support/error.hpp"

namespace querymark::detail {

Offload& blocking_pool(Source& source) {
  Offload* const offload = source.cache().options().offload.get();
  if (offload == nullptr)
    throw ConfigError(
        "a call on an event loop needs threads for what blocks: give the cache an offload "
        "(CacheOptions::offload)");
  return *offload;
}

std::exception_ptr no_thread(Offloaded why) {
  std::string said = "no thread of the cache's offload takes a call on an event loop: ";
  said.append(to_string(why));
  return std::make_exception_ptr(Error(said, {.retryable = why == Offloaded::full}));
}

}  // namespace querymark::detail

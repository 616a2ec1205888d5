#include "endpoint.hpp"

#include "querymark/sqlite/doorbell.hpp"
#include "querymark/sqlite/file_tier.hpp"
#include "querymark/sqlite/log.hpp"
#include "querymark/sqlite/url.hpp"

namespace querymark::cli {

LogEndpoint open_log(const std::string& url, const std::string& space) {
  const std::string path = sqlite::path_of(url);
  LogEndpoint endpoint;
  endpoint.outbox = std::make_unique<sqlite::Log>(path, space);
  endpoint.doorbell = std::make_unique<sqlite::FileDoorbell>(path);
  return endpoint;
}

TargetEndpoint open_target(const std::string& url, const std::string& space) {
  // Longer than a reader waits for another's write: the worker has nothing better to do.
  auto tier = std::make_shared<sqlite::FileTier>(
      sqlite::path_of(url), sqlite::FileTierOptions{.busy_timeout = std::chrono::seconds(5)});
  auto applier = std::make_unique<sqlite::FileTierApplier>(*tier, space);
  return {std::move(tier), std::move(applier)};
}

}  // namespace querymark::cli

#include "service.hpp"
#include "querymark/file_tier/file_tier.hpp"

namespace catalogue {

Service::Service(const std::string& database, const std::string& tier)
    : cache_({.name = "catalogue", .memory_bytes = 256U << 20U}),
      store_(backend_of(database)->open(cache_)),
      package_(prepare_package(store_->queries())),
      needed_by_(prepare_needed_by(store_->queries())),
      largest_(prepare_largest(store_->queries())),
      reach_(prepare_reach(store_->queries())),
      totals_(prepare_totals(store_->queries())) {
  if (!tier.empty()) store_->attach(qm::FileTier(tier));
}

// `write` runs its function in a transaction and commits it together with its intents; before it
// returns, this process's own answers include the write. Other processes wait on the receipt.

qm::Receipt Service::bump(std::string_view name, std::string_view version) {
  return store_->write([&](qm::Transaction& tx) { catalogue::bump(tx, name, version); });
}

qm::Written<std::optional<Publication>> Service::remove(std::string_view name) {
  std::optional<Publication> removed;
  qm::Receipt receipt =
      store_->write([&](qm::Transaction& tx) { removed = catalogue::remove(tx, name); });
  return {std::move(receipt), std::move(removed)};
}

qm::Receipt Service::publish(const Publication& publication) {
  return store_->write([&](qm::Transaction& tx) { catalogue::publish(tx, publication); });
}

qm::WaitOutcome Service::wait(const qm::Receipt& receipt, std::chrono::milliseconds timeout) {
  return store_->wait(receipt, qm::Wait::local(timeout));
}

}  // namespace catalogue

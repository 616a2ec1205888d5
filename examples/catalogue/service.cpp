#include "service.hpp"

#include "declared.hpp"
#include "querymark/file_tier/file_tier.hpp"
#include "querymark/read/offload.hpp"

namespace catalogue {
namespace {

// An audit runs in the background.
std::shared_ptr<qm::Offload> executor_for(const StoreOptions& options) {
  return options.audit.share > 0 ? std::make_shared<qm::Offload>() : nullptr;
}

}  // namespace

Service::Service(const std::string& database, const std::string& tier, const StoreOptions& options)
    : cache_({.name = "catalogue", .memory_bytes = 256U << 20U, .offload = executor_for(options)}),
      store_(backend_of(database)->open(cache_, options)),
      questions_(options.tags == qm::Tags::automatic
                     ? prepare_questions(store_->queries())
                     : declared::prepare_questions(store_->queries())),
      declares_(options.tags == qm::Tags::declared) {
  if (!tier.empty()) store_->attach(qm::FileTier(tier));
}

void Service::bump(qm::Transaction& tx, std::string_view name, std::string_view version) {
  const std::string section = catalogue::bump(tx, name, version);
  if (declares_) declared::declare_bump(tx, name, section);
}

std::optional<Publication> Service::remove(qm::Transaction& tx, std::string_view name) {
  std::optional<Publication> removed = catalogue::remove(tx, name);
  if (declares_) declared::declare_removal(tx, name, removed);
  return removed;
}

void Service::publish(qm::Transaction& tx, const Publication& publication) {
  catalogue::publish(tx, publication);
  if (declares_) declared::declare_publication(tx, publication);
}

// `write` runs its function in a transaction and commits it together with its intents; before it
// returns, this process's own answers include the write. Other processes wait on the receipt.

qm::Receipt Service::bump(std::string_view name, std::string_view version) {
  return store_->write([&](qm::Transaction& tx) { bump(tx, name, version); });
}

qm::Written<std::optional<Publication>> Service::remove(std::string_view name) {
  std::optional<Publication> removed;
  qm::Receipt receipt = store_->write([&](qm::Transaction& tx) { removed = remove(tx, name); });
  return {std::move(receipt), std::move(removed)};
}

qm::Receipt Service::publish(const Publication& publication) {
  return store_->write([&](qm::Transaction& tx) { publish(tx, publication); });
}

qm::WaitOutcome Service::wait(const qm::Receipt& receipt, std::chrono::milliseconds timeout) {
  return store_->wait(receipt, qm::Wait::local(timeout));
}

}  // namespace catalogue

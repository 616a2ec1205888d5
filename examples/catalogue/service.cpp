#include "service.hpp"

namespace catalogue {

Service::Service(const std::string& database, const std::string& tier)
    : cache_({.name = "catalogue", .memory_bytes = 64U << 20U}),
      db_(database, cache_,
          {.space = "catalogue",
           .synchronous = qm::sqlite::Synchronous::normal,
           .require_intents = true}),
      package_(prepare_package(db_)),
      needed_by_(prepare_needed_by(db_)),
      largest_(prepare_largest(db_)),
      reach_(prepare_reach(db_)),
      totals_(prepare_totals(db_)) {
  if (!tier.empty()) db_.attach(qm::sqlite::FileTier(tier));
}

// `write` runs its function in a transaction and commits it together with its intents; before it
// returns, this process's own answers include the write. Other processes wait on the receipt.

qm::Receipt Service::bump(std::string_view name, std::string_view version) {
  return db_.write([&](qm::sqlite::Transaction& tx) { catalogue::bump(tx, name, version); })
      .receipt;
}

qm::sqlite::Written<std::optional<Publication>> Service::remove(std::string_view name) {
  return db_.write([&](qm::sqlite::Transaction& tx) { return catalogue::remove(tx, name); });
}

qm::Receipt Service::publish(const Publication& publication) {
  return db_.write([&](qm::sqlite::Transaction& tx) { catalogue::publish(tx, publication); })
      .receipt;
}

qm::WaitOutcome Service::wait(const qm::Receipt& receipt, std::chrono::milliseconds timeout) {
  return db_.wait(receipt, qm::Wait::local(timeout));
}

}  // namespace catalogue

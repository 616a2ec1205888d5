#include "querymark/database/database.hpp"

#include "querymark/database/backend.hpp"

namespace querymark {

Database::Database(std::unique_ptr<Backend> backend)
    : Queries(Route(backend->core().source, *backend)), backend_(std::move(backend)) {}

Database::~Database() { backend_->core().source.end_background(); }

std::unique_ptr<ReadSession> Database::begin_read() { return backend_->begin_read({}); }

std::unique_ptr<WriteSession> Database::begin_write() { return backend_->begin_write({}); }

DatabaseSession Database::with(const SessionSettings& settings) {
  return {*backend_, settings.empty() ? settings : backend_->checked_settings(settings)};
}

Written<std::int64_t> Database::write_one(std::string_view sql, const Parameters& parameters,
                                          const IntentBatch& intents) {
  std::int64_t changed = 0;
  const std::unique_ptr<WriteSession> session = begin_write();
  Transaction& transaction = session->transaction();
  transaction.send_counted(changed, sql, parameters);
  if (!intents.reason().empty()) transaction.reason(intents.reason());
  transaction.invalidate(intents.targets());
  Receipt receipt = session->commit();
  return {std::move(receipt), changed};
}

Written<std::int64_t> Database::write_one(std::string_view sql, const Parameters& parameters,
                                          Target target) {
  IntentBatch intents;
  intents.add(std::move(target));
  return write_one(sql, parameters, intents);
}

WaitOutcome Database::wait(const Receipt& receipt, const Wait& wait) {
  DatabaseCore& core = backend_->core();
  const bool here = wait.scope() == Wait::Scope::none || wait.scope() == Wait::Scope::local;
  return here ? core.subscriber.wait(receipt, wait) : core.target_waits.wait(receipt, wait);
}

std::vector<std::string> Database::reasons_at(Position position) {
  require_alive("reasons_at()");
  return backend_->reasons_at(position);
}

WriteFate Database::resolve(const Receipt& receipt) {
  if (receipt.namespace_name != backend_->core().namespace_name()) return WriteFate::unknown;
  const WriteFate fate = backend_->resolve(receipt);
  if (fate == WriteFate::committed) backend_->core().own.found_committed(receipt);
  return fate;
}

void Database::catch_up() { backend_->core().subscriber.catch_up(); }

void Database::attach(std::shared_ptr<SharedTier> tier) {
  if (!tier) throw ConfigError("attach() was given no tier");
  DatabaseCore& core = backend_->core();
  // What the tier holds may have outlived a rewind of the database that nobody watched.
  if (const auto newest = tier->newest(core.source.marks().cursor().epoch)) {
    static_cast<void>(backend_->verify(*newest));
    core.subscriber.catch_up();
  }
  core.subscriber.read_history();
  core.source.attach(std::move(tier), backend_.get());
}

Advice Database::advise(std::vector<SeenQuery> queries) {
  Analyser* const analyser = backend_->analyser();
  if (analyser == nullptr) throw ConfigError("this database has no automatic tags to advise on");
  return analyser->advise(std::move(queries));
}

Advice Database::advise() { return advise(backend_->core().source.analyses().seen({})); }

void Database::flush_local() { backend_->core().own.flush_local(); }

DatabaseStats Database::stats() const { return backend_->core().own.stats(); }

}  // namespace querymark

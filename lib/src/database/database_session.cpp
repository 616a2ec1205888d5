#include "querymark/database/database_session.hpp"

#include "querymark/database/backend.hpp"

namespace querymark {
namespace {

/// Loads in transactions that have the settings, and asks there, too, what a text is: what of them can change
/// that nobody knows, so an analysis is of all of them (`session`).
class SettingsLoader final : public Loader, private Analyser {
 public:
  SettingsLoader(Backend& backend, SessionSettings settings)
      : backend_(backend),
        settings_(std::move(settings)),
        session_(backend.core().session_of(settings_)) {}

  [[nodiscard]] LoadedRows load(std::string_view sql,
                                std::span<const ParameterView> parameters) override {
    return backend_.load_with(settings_, sql, parameters);
  }
  [[nodiscard]] LoadedRows load_from_replica(std::string_view sql,
                                             std::span<const ParameterView> parameters) override {
    return backend_.load_from_replica_with(settings_, sql, parameters);
  }
  [[nodiscard]] bool has_replica() const noexcept override { return backend_.has_replica(); }
  [[nodiscard]] const std::string* session() const noexcept override { return &session_; }
  [[nodiscard]] Analyser* analyser() noexcept override {
    return backend_.analyser() == nullptr ? nullptr : this;
  }

 private:
  [[nodiscard]] Analysis analyse(std::string_view sql, const Promises& promises) override {
    return backend_.analyse_with(settings_, sql, promises);
  }

  Backend& backend_;
  const SessionSettings settings_;
  const std::string session_;
};

Route route_of(Backend& backend, const SessionSettings& settings) {
  Source& source = backend.core().source;
  if (settings.empty()) return {source, backend};
  return {source, std::make_shared<SettingsLoader>(backend, settings)};
}

}  // namespace

DatabaseSession::DatabaseSession(Backend& backend, SessionSettings settings)
    : Queries(route_of(backend, settings)), backend_(&backend), settings_(std::move(settings)) {}

std::unique_ptr<ReadSession> DatabaseSession::begin_read() const {
  require_alive("read_transaction()");
  return backend_->begin_read(settings_);
}

Analysis DatabaseSession::analyse(std::string_view sql, const Promises& promises) const {
  require_alive("analyse()");
  if (settings_.empty() && backend_->analyser() != nullptr)
    return backend_->analyser()->analyse(sql, promises);
  return backend_->analyse_with(settings_, sql, promises);
}

std::unique_ptr<WriteSession> DatabaseSession::begin_write() const {
  require_alive("write()");
  return backend_->begin_write(settings_);
}

}  // namespace querymark

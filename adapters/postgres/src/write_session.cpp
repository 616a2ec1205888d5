#include <algorithm>
#include <limits>
#include <string_view>

#include "append.hpp"
#include "database_state.hpp"
#include "open_write.hpp"
#include "write_start.hpp"

namespace querymark::postgres {
namespace {

// The server had ended the session, for its transaction was idle for too long, before it took in what comes next.
constexpr std::string_view kIdleInTransaction = "25P03";

// The databases on which this thread is inside write(): one that waits for another of its own would
// wait for ever.
thread_local std::vector<const void*> writing;

struct Writing {
  explicit Writing(const void* database, const std::string& label) : database_(database) {
    if (std::ranges::find(writing, database) != writing.end())
      throw ConfigError("write() inside write() on " + label +
                        ": use the transaction that is open");
    writing.push_back(database);
  }
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;
  ~Writing() { std::erase(writing, database_); }

  const void* database_;
};

}  // namespace

/// A write on a pooled connection.
class Database::Session final : public WriteSession {
 public:
  Session(State& state, Isolation isolation, const SessionSettings& settings);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  [[nodiscard]] Transaction& transaction() noexcept override { return open_->transaction; }

 private:
  struct Open {
    Open(State& state, Isolation isolation, SettingList settings)
        : start(state, isolation, std::move(settings)), guard(start), transaction(guard, intents) {}
    [[nodiscard]] const Append* to_append() const noexcept { return append ? &*append : nullptr; }

    IntentBatch intents;
    WriteStart start;
    OpenWrite guard;
    OpenTransaction transaction;
    std::optional<Append> append;  // once the function has returned, and there are intents
  };

  void require_standing() override;
  PendingWrite commit_intents() override;
  PendingWrite commit_once();
  void settled(const PendingWrite& write) noexcept override;

  State& state_;
  Writing writing_;
  std::optional<Open> open_;
};

Database::Session::Session(State& state, Isolation isolation, const SessionSettings& settings)
    : WriteSession(state.core_), state_(state), writing_(&state, state.label) {
  open_.emplace(state, isolation, list_of(settings));
  begun(open_->transaction, settings, isolation == Isolation::read_committed);
}

void Database::Session::require_standing() {
  if (!open_->intents.empty())
    open_->append.emplace(state_.options.namespace_name, open_->start.write(), open_->intents);
  open_->guard.require_standing(open_->to_append());
}

PendingWrite Database::Session::commit_intents() {
  try {
    return commit_once();
  } catch (const CommitInDoubt&) {
    throw;
  } catch (const Error& failure) {
    if (!open_->start.begin_anew(failure, open_->guard.sent())) throw;
  }
  return commit_once();
}

PendingWrite Database::Session::commit_once() {
  PooledConnection& connection = *open_->start.connection();
  PendingWrite& pending = *open_->start.pending();
  add_intents(pending, open_->intents);
  std::optional<std::int64_t> logged;
  try {
    logged = connection.commit(open_->to_append(), open_->guard.sent());
  } catch (const Error& failure) {
    const bool came_late = failure.native_code() == kIdleInTransaction;
    if (!failure.connection_lost() || came_late) throw;  // refused, and rolled back
    open_->start.released();
    in_doubt(pending,
             "the connection was lost during COMMIT, whose outcome is unknown; ask "
             "resolve() with the receipt. " +
                 std::string(failure.what()),
             failure.native_code());
  }
  open_->start.released();
  // Where nobody has counted, triggers may have left rows.
  const auto before = open_->start.logged();
  pending.rows =
      logged && before ? static_cast<std::uint64_t>(*logged - *before) : pending.updates.size() + 1;
  // A write that declares nothing, but whose triggers have told of it, is one that can be waited for.
  if (pending.updates.empty())
    pending.receipt.intents = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(*pending.rows, std::numeric_limits<std::uint32_t>::max()));
  return std::move(pending);
}

void Database::Session::settled(const PendingWrite& write) noexcept {
  open_.reset();  // the connection goes back
  if (!write.silent()) state_.ring();
}

std::unique_ptr<WriteSession> Database::State::begin_write(Isolation isolation,
                                                           const SessionSettings& settings) {
  return std::make_unique<Session>(*this, isolation, settings);
}

std::unique_ptr<WriteSession> Database::begin_write(const WriteOptions& options) {
  return state().begin_write(options.isolation, options.settings.empty()
                                                    ? options.settings
                                                    : checked_settings(options.settings));
}

}  // namespace querymark::postgres

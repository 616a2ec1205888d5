#include "querymark/database/reconcile.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "querymark/support/error.hpp"

// As an audit (read/audit.cpp), by the same argument: the load sees what was committed before it, the log is caught up
// with after it, and where the tier's value would still be served then, nothing has told of the difference.

namespace querymark {
namespace {

// Longer than any value lives: how old the application takes them is its own affair.
constexpr std::chrono::hours kAnyAge{24 * 365};

// Takes nothing: what is loaded here carries no tags, and nothing would ever end it.
class LookedAt final : public SharedTier {
 public:
  explicit LookedAt(std::shared_ptr<SharedTier> tier) : tier_(std::move(tier)) {}

  [[nodiscard]] std::string_view label() const noexcept override { return tier_->label(); }
  [[nodiscard]] TierLimits limits() const noexcept override { return tier_->limits(); }
  [[nodiscard]] std::optional<TierFailure> read(std::string_view namespace_name,
                                                std::span<TierRead> wanted) noexcept override {
    auto failure = tier_->read(namespace_name, wanted);
    for (TierRead& one : wanted) {
      name_ = one.name;
      one.refills.clear();
    }
    if (failure)
      failure_ = std::move(failure->cause);  // who reads on asks only whether
    else
      failure_.reset();
    return failure;
  }
  StoreStatus put(std::string_view /*namespace_name*/, const Digest& /*name*/,
                  const SharedValue& /*value*/) noexcept override {
    return StoreStatus::superseded;
  }
  std::size_t remove(std::string_view namespace_name, std::span<const Digest> names) override {
    return tier_->remove(namespace_name, names);
  }
  [[nodiscard]] bool names_newest() const noexcept override { return tier_->names_newest(); }
  [[nodiscard]] std::optional<SharedStamp> newest(Epoch epoch) const override {
    return tier_->newest(epoch);
  }

  [[nodiscard]] const Digest& name() const noexcept { return name_; }
  /// Why there was no answer; nothing: there was.
  [[nodiscard]] const std::optional<std::string>& failure() const noexcept { return failure_; }

 private:
  std::shared_ptr<SharedTier> tier_;
  Digest name_;
  std::optional<std::string> failure_;
};

class Reconciler {
 public:
  Reconciler(Database& database, std::shared_ptr<LookedAt> tier, bool only_look)
      : database_(database), tier_(std::move(tier)), only_look_(only_look) {}

  Reconciled look_at(const KnownCall& call, ReconciledCall& told) {
    const Query query = database_.query(call.sql, call.parameters).scope(call.scope).ttl(kAnyAge);
    told.parameters = query.explain().parameters;
    const std::string key = query.key().text();
    if (const auto before = known_.find(key); before != known_.end()) return before->second;
    return known_.emplace(key, compared(query, call, told)).first->second;
  }

 private:
  Reconciled compared(const Query& query, const KnownCall& call, ReconciledCall& told) {
    const Result held = query.fetch();
    if (held.outcome().origin != Origin::shared_tier) {
      const std::optional<std::string>& failure = tier_->failure();
      if (!failure) return Reconciled::absent;
      told.problem = "the tier has no answer";
      if (!failure->empty()) told.problem.append(": ").append(*failure);
      return Reconciled::failed;
    }
    const Result fresh =
        database_.query(call.sql, call.parameters).scope(call.scope).uncached().fetch();
    database_.catch_up();
    if (held.set() == fresh.set()) return Reconciled::agrees;
    const Explanation now = query.explain();
    if (now.presence == Presence::absent || now.not_cached) {
      told.problem = "memory did not keep it, or the log could not be reached: nobody can tell";
      return Reconciled::failed;
    }
    if (!now.served()) return Reconciled::excused;
    if (!only_look_) invalidate(query, now.namespace_name);
    return Reconciled::wrong;
  }

  // The log tells memories and workers; the tier itself may have no worker.
  void invalidate(const Query& query, const std::string& namespace_name) {
    static_cast<void>(database_.write([&](Transaction& tx) {
      tx.invalidate(query.key());
      tx.reason("reconcile: the database has another value, and nothing had told of it");
    }));
    tier_->remove(namespace_name, {&tier_->name(), 1});
  }

  Database& database_;
  std::shared_ptr<LookedAt> tier_;
  bool only_look_;
  std::map<std::string, Reconciled> known_;  // by key: what memory has is compared once
};

}  // namespace

std::vector<ReconciledCall> reconcile(Database& database, std::shared_ptr<SharedTier> tier,
                                      std::span<const KnownCall> calls, bool only_look) {
  if (!tier) throw ConfigError("reconcile() was given no tier");
  const auto looked_at = std::make_shared<LookedAt>(std::move(tier));
  database.attach(std::shared_ptr<SharedTier>(looked_at));
  Reconciler reconciler(database, looked_at, only_look);
  std::vector<ReconciledCall> all;
  all.reserve(calls.size());
  for (std::size_t at = 0; at < calls.size(); ++at) {
    ReconciledCall& told = all.emplace_back(ReconciledCall{.call = at});
    try {
      told.became = reconciler.look_at(calls[at], told);
    } catch (const Error& failure) {
      if (failure.connection_lost() || failure.outcome_unknown()) throw;
      told.became = Reconciled::failed;
      told.problem = failure.what();
    }
  }
  return all;
}

}  // namespace querymark

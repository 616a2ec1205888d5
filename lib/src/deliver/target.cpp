#include "target.hpp"

#include <algorithm>
#include <exception>

#include "querymark/support/error.hpp"

namespace querymark {
namespace {

struct Failure {
  FailureKind kind = FailureKind::retriable;
  std::string text;
};

// A failure by its kind, never by its text.
Failure told(const std::exception& thrown) {
  const auto* ours = dynamic_cast<const Error*>(&thrown);
  const bool permanent = ours != nullptr && !ours->retryable() && !ours->connection_lost();
  return {permanent ? FailureKind::permanent : FailureKind::retriable, thrown.what()};
}

}  // namespace

std::string TargetProbe::control(Epoch epoch) noexcept {
  try {
    applier_.control(epoch);
    return {};
  } catch (const std::exception& failure) {
    const std::string text = failure.what();
    return text.empty() ? "the target failed without a word" : text;
  }
}

std::string TargetProbe::relayed(const std::function<void(Relay&)>& work) {
  Relay* const relay = applier_.relay();
  if (relay == nullptr) return {};
  try {
    work(*relay);
    return {};
  } catch (const std::exception& thrown) {
    const std::string text = thrown.what();
    return text.empty() ? "the log could not be handed on" : text;
  }
}

TargetVerdict TargetProbe::apply_one(Epoch epoch, const SharedInvalidation& invalidation) {
  TargetVerdict verdict;
  static_cast<void>(apply_span(epoch, {&invalidation, 1}, {&verdict, 1}));
  return verdict;
}

std::vector<TargetVerdict> TargetProbe::apply(Epoch epoch,
                                              std::span<const SharedInvalidation> batch) {
  std::vector<TargetVerdict> verdicts(batch.size(),
                                      TargetVerdict{.is = TargetVerdict::Is::skipped});
  static_cast<void>(apply_span(epoch, batch, verdicts));
  return verdicts;
}

bool TargetProbe::apply_span(Epoch epoch, std::span<const SharedInvalidation> batch,
                             std::span<TargetVerdict> out) {
  if (batch.empty()) return true;
  Failure failure;
  try {
    applier_.apply(epoch, batch);
    std::ranges::fill(out, TargetVerdict{});
    return true;
  } catch (const std::exception& thrown) {
    failure = told(thrown);
  }
  if (std::string down = control(epoch); !down.empty()) {
    out.front() = {TargetVerdict::Is::outage, FailureKind::retriable, std::move(down)};
    return false;
  }
  if (batch.size() == 1) {
    out.front() = {TargetVerdict::Is::poison, failure.kind, std::move(failure.text)};
    return true;
  }
  const std::size_t half = batch.size() / 2;
  return apply_span(epoch, batch.first(half), out.first(half)) &&
         apply_span(epoch, batch.subspan(half), out.subspan(half));
}

}  // namespace querymark

#include "querymark/tier/tier_group.hpp"

#include <algorithm>
#include <chrono>
#include <exception>

#include "tier_group_state.hpp"

namespace querymark {
namespace {

std::chrono::milliseconds added(std::chrono::milliseconds a, std::chrono::milliseconds b) {
  return b > std::chrono::milliseconds::max() - a ? std::chrono::milliseconds::max() : a + b;
}

}  // namespace

TierGroup::TierGroup(std::string label, TierGroupOptions options,
                     std::vector<std::shared_ptr<SharedTier>> members)
    : state_(std::make_unique<detail::TierGroupState>(std::move(label), options,
                                                      std::move(members))) {}
TierGroup::TierGroup(TierGroup&&) noexcept = default;
TierGroup& TierGroup::operator=(TierGroup&&) noexcept = default;
TierGroup::~TierGroup() = default;

std::string_view TierGroup::label() const noexcept { return state_->label; }

TierLimits TierGroup::limits() const noexcept {
  TierLimits all{.max_value_bytes = 0, .deadline = {}};
  for (const detail::GroupMember& member : state_->members) {
    const TierLimits one = member.tier->limits();
    all.max_value_bytes = std::max(all.max_value_bytes, one.max_value_bytes);
    all.deadline = added(all.deadline, one.deadline);
  }
  return all;
}

std::optional<TierFailure> TierGroup::read(std::string_view namespace_name,
                                           std::span<TierRead> wanted) noexcept {
  return state_->read(state_->label, namespace_name, wanted);
}

StoreStatus TierGroup::put(std::string_view namespace_name, const Digest& name,
                           const SharedValue& value) noexcept {
  try {
    return state_->put(namespace_name, name, value);
  } catch (const std::exception&) {  // no memory for those who help
    return StoreStatus::failed;
  }
}

void TierGroup::put_many(std::string_view namespace_name, std::span<TierPut> values) noexcept {
  try {
    state_->put_many(namespace_name, values);
  } catch (
      const std::exception&) {  // no memory for those who help: what they have stored is not known
    for (TierPut& one : values) one.status = StoreStatus::failed;
  }
}

std::size_t TierGroup::remove(std::string_view namespace_name, std::span<const Digest> names) {
  detail::Removal removal;
  state_->remove(state_->label, namespace_name, names, removal);
  return removal.checked();
}

bool TierGroup::names_newest() const noexcept { return state_->names_newest; }

std::optional<SharedStamp> TierGroup::newest(Epoch epoch) const {
  std::optional<SharedStamp> newest;
  for (const detail::GroupMember& member : state_->members) {
    const std::optional<SharedStamp> one = member.tier->newest(epoch);
    if (one && (!newest || newest->horizon < one->horizon)) newest = one;
  }
  return newest;
}

SharedTier* TierGroup::granting() const noexcept {
  for (const detail::GroupMember& member : state_->members)
    if (member.tier->grants_leases()) return member.tier.get();
  return nullptr;
}

bool TierGroup::grants_leases() const noexcept { return granting() != nullptr; }

LeaseAnswer TierGroup::lease(std::string_view namespace_name, const Digest& name,
                             std::string_view token, std::chrono::milliseconds longest) noexcept {
  SharedTier* const tier = granting();
  return tier != nullptr ? tier->lease(namespace_name, name, token, longest) : LeaseAnswer::failed;
}

void TierGroup::release(std::string_view namespace_name, const Digest& name,
                        std::string_view token) noexcept {
  if (SharedTier* const tier = granting()) tier->release(namespace_name, name, token);
}

std::vector<TierGroupStats> TierGroup::stats() const {
  std::vector<TierGroupStats> stats;
  state_->add_stats(state_->label, stats);
  return stats;
}

}  // namespace querymark

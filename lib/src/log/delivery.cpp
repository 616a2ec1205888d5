#include "querymark/log/delivery.hpp"

#include <array>

#include "querymark/log/deliveries.hpp"

namespace querymark {
namespace {

constexpr std::array<std::pair<DeliveryState, std::string_view>, 7> kNames{{
    {DeliveryState::pending, "pending"},
    {DeliveryState::claimed, "claimed"},
    {DeliveryState::dead, "dead"},
    {DeliveryState::expired, "expired"},
    {DeliveryState::cancelled, "cancelled"},
    {DeliveryState::superseded, "superseded"},
    {DeliveryState::discarded, "discarded"},
}};

}  // namespace

std::string_view to_string(DeliveryState state) noexcept {
  for (const auto& [each, name] : kNames)
    if (each == state) return name;
  return "unknown";
}

std::optional<DeliveryState> delivery_state(std::string_view text) noexcept {
  for (const auto& [state, name] : kNames)
    if (name == text) return state;
  return std::nullopt;
}

std::optional<DeliveryState> decided(DeliveryState from, Decision decision) noexcept {
  const bool dead = from == DeliveryState::dead;
  switch (decision) {
    case Decision::cancel:
      if (dead || from == DeliveryState::pending) return DeliveryState::cancelled;
      break;
    case Decision::discard:
      if (dead) return DeliveryState::discarded;
      break;
    case Decision::retry:
      if (dead || from == DeliveryState::expired) return DeliveryState::pending;
      break;
  }
  return std::nullopt;
}

std::string_view to_string(Decision decision) noexcept {
  switch (decision) {
    case Decision::cancel:
      return "cancel";
    case Decision::discard:
      return "discard";
    case Decision::retry:
      break;
  }
  return "retry";
}

std::vector<DeliveryState> states_of(const DeliveryFilter& filter) {
  if (!filter.states.empty()) return filter.states;
  std::vector<DeliveryState> all;
  all.reserve(std::size(kNames));
  for (const auto& [state, name] : kNames) all.push_back(state);
  return all;
}

std::optional<DeliveryRow> Deliveries::find(std::uint64_t id) {
  if (id == 0) return std::nullopt;
  std::vector<DeliveryRow> next =
      list({.consumer = {}, .states = {}, .error = {}, .after = id - 1, .limit = 1});
  if (next.empty() || next.front().record.id != id) return std::nullopt;
  return std::move(next.front());
}

}  // namespace querymark

#include "querymark/log/delivery.hpp"

#include <array>

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

}  // namespace querymark

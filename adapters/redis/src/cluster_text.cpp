#include "cluster_text.hpp"

#include <algorithm>
#include <charconv>

#include "querymark/support/ascii.hpp"
#include "slots.hpp"

namespace querymark::redis {
namespace {

// The text up to the separator, which goes, too.
std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return taken;
}

std::optional<std::uint16_t> small_number(std::string_view text) {
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::uint16_t> slot_in(std::string_view text) {
  const auto number = small_number(text);
  return number && *number < kSlots ? number : std::nullopt;
}

bool is_host(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) || c == '_' || c == '-' || c == '.' ||
           c == ':';
  });
}

// HOST:PORT, where an IPv6 host has colons of its own.
std::optional<Place> place_in(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host == "?") host = "";  // it does not know its own
  const auto port = small_number(text.substr(colon + 1));
  if (!port || *port == 0 || !is_host(host)) return std::nullopt;
  return Place{std::string(host), std::to_string(*port)};
}

// ID HOST:PORT@BUS[,HOSTNAME] FLAGS MASTER PING PONG EPOCH LINK [SLOT | FIRST-LAST | [moving]]...
std::optional<Owner> owner_in(std::string_view line) {
  static_cast<void>(take_until(line, ' '));
  std::string_view address = take_until(line, ' ');
  std::string_view flags = take_until(line, ' ');
  for (int field = 0; field < 5; ++field) static_cast<void>(take_until(line, ' '));
  bool master = false;
  while (!flags.empty()) master |= take_until(flags, ',') == "master";
  if (!master) return std::nullopt;
  const auto place = place_in(take_until(address, '@'));
  if (!place) return std::nullopt;
  Owner owner{.place = *place};
  static_cast<void>(take_until(address, ','));
  if (const std::string_view hostname = take_until(address, ','); is_host(hostname))
    owner.hostname = hostname;
  while (!line.empty()) {
    std::string_view range = take_until(line, ' ');
    const auto first = slot_in(take_until(range, '-'));
    const auto last = range.empty() ? first : slot_in(range);
    if (first && last && *first <= *last) owner.slots.emplace_back(*first, *last);
  }
  return owner;
}

}  // namespace

std::vector<Owner> owners_in(std::string_view cluster_nodes) {
  std::vector<Owner> owners;
  while (!cluster_nodes.empty()) {
    std::string_view line = take_until(cluster_nodes, '\n');
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (auto owner = owner_in(line)) owners.push_back(*std::move(owner));
  }
  return owners;
}

std::optional<Redirect> redirect_in(const Reply& reply) {
  if (reply.is != Reply::Is::error) return std::nullopt;
  std::string_view text = reply.text;
  const std::string_view code = take_until(text, ' ');
  if (code != "MOVED" && code != "ASK") return std::nullopt;
  const auto slot = slot_in(take_until(text, ' '));
  const auto place = place_in(text);
  if (!slot || !place) return std::nullopt;
  return Redirect{.once = code == "ASK", .slot = *slot, .place = *place};
}

}  // namespace querymark::redis

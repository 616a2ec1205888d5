#include "snapshot_text.hpp"

#include <charconv>
#include <vector>

#include "querymark/support/error.hpp"

namespace querymark::postgres {
namespace {

std::optional<Position> number(std::string_view text) {
  Position position;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, position.value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return position;
}

}  // namespace

Position parse_position(std::string_view text) {
  const auto position = number(text);
  if (!position) throw Error("not a transaction id: " + std::string(text));
  return *position;
}

std::optional<Snapshot> parse_snapshot(std::string_view text) {
  const std::size_t first = text.find(':');
  const std::size_t second = first == std::string_view::npos ? first : text.find(':', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto xmin = number(text.substr(0, first));
  const auto xmax = number(text.substr(first + 1, second - first - 1));
  if (!xmin || !xmax || *xmin > *xmax) return std::nullopt;
  std::vector<Position> in_progress;
  for (std::string_view rest = text.substr(second + 1); !rest.empty();) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const auto id = number(rest.substr(0, comma));
    if (!id) return std::nullopt;
    in_progress.push_back(*id);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return Snapshot(*xmin, *xmax, std::move(in_progress));
}

std::string snapshot_text(const Snapshot& snapshot) {
  std::string text =
      std::to_string(snapshot.horizon().value) + ':' + std::to_string(snapshot.limit().value) + ':';
  for (const Position position : snapshot.in_progress()) {
    if (text.back() != ':') text += ',';
    text += std::to_string(position.value);
  }
  return text;
}

}  // namespace querymark::postgres

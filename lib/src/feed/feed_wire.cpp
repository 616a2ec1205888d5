#include "feed_wire.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "querymark/support/digest.hpp"
#include "querymark/support/error.hpp"

namespace querymark::detail {
namespace {

constexpr std::uint16_t kFeedVersion = 1;
// How the body is sealed: not at all. Other numbers are for keys to come.
constexpr std::uint16_t kPlain = 0;
// Ids in progress that one cursor may list: all of a server's connections, and more.
constexpr std::size_t kMaxInProgress = 100'000;

// Of a position as text: all numbers of 64 bits, with as many digits.
constexpr std::size_t kPositionDigits = 20;

constexpr std::uint8_t kEverything = 255;
constexpr auto kKinds = {TargetKind::key, TargetKind::tag, TargetKind::entity,
                         TargetKind::collection, TargetKind::tracked};

}  // namespace

std::string framed(std::uint32_t magic, const std::string& body) {
  std::string frame;
  frame.reserve(body.size() + 16);
  put_integer(frame, magic);
  put_integer(frame, kFeedVersion);
  put_integer(frame, kPlain);
  put_integer(frame, checksum(body));
  return frame + body;
}

std::optional<ByteView> body_of(std::uint32_t magic, ByteView frame) {
  ByteReader in(frame);
  if (in.integer<std::uint32_t>() != magic || in.integer<std::uint16_t>() != kFeedVersion ||
      in.integer<std::uint16_t>() != kPlain)
    return std::nullopt;
  const auto sum = in.integer<std::uint64_t>();
  if (!sum || *sum != checksum(in.rest())) return std::nullopt;
  return in.rest();
}

void put_snapshot(std::string& out, const Snapshot& snapshot) {
  if (snapshot.in_progress().size() > kMaxInProgress)
    throw Error("more transactions run than a feed can tell of");
  put_integer(out, snapshot.horizon().value);
  put_integer(out, snapshot.limit().value);
  put_integer(out, static_cast<std::uint32_t>(snapshot.in_progress().size()));
  for (const Position each : snapshot.in_progress()) put_integer(out, each.value);
}

std::optional<Snapshot> snapshot_in(ByteReader& in) {
  const auto xmin = in.integer<std::uint64_t>();
  const auto xmax = in.integer<std::uint64_t>();
  const auto count = in.integer<std::uint32_t>();
  if (!xmin || !xmax || !count || *xmin == 0 || *xmin > *xmax || *count > kMaxInProgress ||
      *count > in.rest().size() / sizeof(std::uint64_t))
    return std::nullopt;
  std::vector<Position> running;
  running.reserve(*count);
  for (std::uint32_t i = 0; i < *count; ++i) {
    const Position each{*in.integer<std::uint64_t>()};
    if (each.value < *xmin || each.value >= *xmax || (i > 0 && each <= running.back()))
      return std::nullopt;
    running.push_back(each);
  }
  return Snapshot({*xmin}, {*xmax}, std::move(running));
}

void put_cursor(std::string& out, const Cursor& cursor) {
  put_integer(out, cursor.epoch.high);
  put_integer(out, cursor.epoch.low);
  put_snapshot(out, cursor.snapshot);
  put_integer(out, cursor.last_write.value);
}

std::optional<Cursor> cursor_in(ByteReader& in) {
  const auto high = in.integer<std::uint64_t>();
  const auto low = in.integer<std::uint64_t>();
  auto snapshot = snapshot_in(in);
  const auto last = in.integer<std::uint64_t>();
  if (!high || !low || !snapshot || !last) return std::nullopt;
  return Cursor{{*high, *low}, std::move(*snapshot), {*last}};
}

void put_feed_name(std::string& out, const FeedName& name) {
  put_block(out, name.database_id);
  put_block(out, name.namespace_name);
}

std::optional<FeedName> feed_name_in(ByteReader& in) {
  const auto database = in.block();
  const auto name = in.block();
  if (!database || !name) return std::nullopt;
  return FeedName{std::string(*database), std::string(*name)};
}

std::uint8_t kind_of(const Certificate::Intent& intent) noexcept {
  return intent.target ? static_cast<std::uint8_t>(intent.target->kind()) : kEverything;
}

ByteView text_of(const Certificate::Intent& intent) noexcept {
  return intent.target ? ByteView(intent.target->text()) : ByteView();
}

std::optional<Certificate::Intent> intent_of(std::uint8_t kind, ByteView text, Position position) {
  if (kind == kEverything && text.empty()) return Certificate::Intent{std::nullopt, position};
  const auto* const known = std::ranges::find(
      kKinds, kind, [](TargetKind each) { return static_cast<std::uint8_t>(each); });
  if (known == kKinds.end()) return std::nullopt;
  auto target = Target::from_log(to_string(*known), text);
  // An old spelling, which a log's row may have, names everything: no feed writes it.
  if (!target || target->is_flush()) return std::nullopt;
  return Certificate::Intent{std::move(target), position};
}

StoredBucket::Mark mark_of(const Certificate::Intent& intent) {
  const std::string digits = std::to_string(intent.position.value);
  std::string field(1, static_cast<char>(kind_of(intent)));
  std::string position(kPositionDigits - digits.size(), '0');
  return {field.append(text_of(intent)), position.append(digits)};
}

std::optional<Certificate::Intent> intent_in(const StoredBucket::Mark& mark) {
  const auto& [field, digits] = mark;
  Position position;
  const char* const last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, position.value);
  if (field.empty() || digits.size() != kPositionDigits || error != std::errc() || end != last)
    return std::nullopt;
  return intent_of(static_cast<std::uint8_t>(field.front()), ByteView(field).substr(1), position);
}

}  // namespace querymark::detail

#include "querymark/feed/certificate.hpp"

#include <algorithm>
#include <utility>

#include "querymark/support/digest.hpp"
#include "querymark/support/error.hpp"

namespace querymark {
namespace {

using detail::ByteReader;
using detail::put_block;
using detail::put_integer;

constexpr std::uint32_t kCertificateMagic = 0x43464D51;  // "QMFC"
constexpr std::uint32_t kAskMagic = 0x41464D51;          // "QMFA"
constexpr std::uint16_t kFeedVersion = 1;
// How the body is sealed: not at all. Other numbers are for keys to come.
constexpr std::uint16_t kPlain = 0;
// Ids in progress that one cursor may list: all of a server's connections, and more.
constexpr std::size_t kMaxInProgress = 100'000;
constexpr std::uint8_t kEverything = 255;

constexpr auto kKinds = {TargetKind::key, TargetKind::tag, TargetKind::entity,
                         TargetKind::collection, TargetKind::flush};

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

void put_intent(std::string& out, const Certificate::Intent& intent) {
  put_integer(out, intent.position.value);
  put_integer(out, intent.target ? static_cast<std::uint8_t>(intent.target->kind()) : kEverything);
  put_block(out, intent.target ? ByteView(intent.target->text()) : ByteView());
}

// Nothing when it can't be read. What reads as a flush is one.
std::optional<Certificate::Intent> intent_in(ByteReader& in) {
  const auto position = in.integer<std::uint64_t>();
  const auto kind = in.integer<std::uint8_t>();
  const auto text = in.block();
  if (!position || !kind || !text) return std::nullopt;
  if (*kind == kEverything && text->empty()) return Certificate::Intent{std::nullopt, {*position}};
  for (const TargetKind each : kKinds) {
    if (static_cast<std::uint8_t>(each) != *kind) continue;
    auto target = Target::from_log(to_string(each), *text);
    if (!target || target->is_flush()) return std::nullopt;
    return Certificate::Intent{std::move(target), {*position}};
  }
  return std::nullopt;
}

bool too_long(const std::vector<Certificate::Intent>& intents) {
  std::size_t bytes = 0;
  for (const auto& each : intents)
    bytes += sizeof(std::uint64_t) + (each.target ? each.target->text().size() : 0);
  return bytes > Certificate::kMaxIntentBytes;
}

}  // namespace

Certificate Certificate::of(FeedName feed, const Snapshot& from, const Cursor& upto,
                            std::optional<std::span<const LogRow>> rows) {
  Certificate made{
      .feed = std::move(feed), .from = from, .upto = upto, .intents = {}, .answers = {}};
  made.untold = !rows || rows->size() > kMaxIntents;
  if (made.untold) return made;
  // Equal targets at several positions stay apart: a follower passes over what it has written
  // itself, pair by pair.
  for (const LogRow& row : *rows) {
    const bool flush = !row.target || row.target->is_flush();
    made.intents.push_back({flush ? std::nullopt : row.target, row.position});
  }
  if (too_long(made.intents)) {
    made.untold = true;
    made.intents.clear();
  }
  return made;
}

std::string encode_certificate(const Certificate& certificate) {
  std::string body;
  put_block(body, certificate.feed.database_id);
  put_block(body, certificate.feed.namespace_name);
  put_snapshot(body, certificate.from);
  put_cursor(body, certificate.upto);
  put_integer(body, static_cast<std::uint8_t>(certificate.untold ? 1 : 0));
  put_integer(body, static_cast<std::uint32_t>(certificate.intents.size()));
  for (const auto& intent : certificate.intents) put_intent(body, intent);
  put_integer(body, static_cast<std::uint32_t>(certificate.answers.size()));
  for (const Nonce nonce : certificate.answers) put_integer(body, nonce.value);
  return framed(kCertificateMagic, body);
}

std::optional<Certificate> decode_certificate(ByteView encoded) {
  if (encoded.size() > Certificate::kMaxBytes) return std::nullopt;
  const auto body = body_of(kCertificateMagic, encoded);
  if (!body) return std::nullopt;
  ByteReader in(*body);
  const auto database = in.block();
  const auto name = in.block();
  auto from = snapshot_in(in);
  if (!from) return std::nullopt;
  auto upto = cursor_in(in);
  const auto untold = in.integer<std::uint8_t>();
  const auto count = in.integer<std::uint32_t>();
  if (!database || !name || !upto || !untold || *untold > 1 || !count ||
      *count > (*untold == 1 ? 0 : Certificate::kMaxIntents) || !upto->snapshot.contains(*from))
    return std::nullopt;
  Certificate read{.feed = {std::string(*database), std::string(*name)},
                   .from = std::move(*from),
                   .upto = std::move(*upto),
                   .intents = {},
                   .untold = *untold == 1,
                   .answers = {}};
  for (std::uint32_t i = 0; i < *count; ++i) {
    auto intent = intent_in(in);
    if (!intent) return std::nullopt;
    read.intents.push_back(std::move(*intent));
  }
  const auto answers = in.integer<std::uint32_t>();
  if (!answers || *answers > Certificate::kMaxAnswers) return std::nullopt;
  for (std::uint32_t i = 0; i < *answers; ++i) {
    const auto nonce = in.integer<std::uint64_t>();
    if (!nonce) return std::nullopt;
    read.answers.push_back({*nonce});
  }
  if (!in.at_end()) return std::nullopt;
  return read;
}

std::string encode_ask(const FeedAsk& ask) {
  std::string body;
  put_integer(body, ask.follower.value);
  put_integer(body, ask.nonce.value);
  put_integer(body, static_cast<std::int64_t>(ask.lease.count()));
  put_integer(body, static_cast<std::uint8_t>(ask.cursor ? 1 : 0));
  if (ask.cursor) put_cursor(body, *ask.cursor);
  return framed(kAskMagic, body);
}

std::optional<FeedAsk> decode_ask(ByteView encoded) {
  const auto body = body_of(kAskMagic, encoded);
  if (!body) return std::nullopt;
  ByteReader in(*body);
  const auto follower = in.integer<std::uint64_t>();
  const auto nonce = in.integer<std::uint64_t>();
  const auto lease = in.integer<std::int64_t>();
  const auto begun = in.integer<std::uint8_t>();
  if (!follower || !nonce || !lease || !begun || *begun > 1) return std::nullopt;
  constexpr std::int64_t kDay = std::int64_t{24} * 3600 * 1000;
  if (*lease < 0 || *lease > kDay) return std::nullopt;
  FeedAsk ask{.follower = {*follower},
              .nonce = {*nonce},
              .lease = std::chrono::milliseconds(*lease),
              .cursor = std::nullopt};
  if (*begun == 1) {
    ask.cursor = cursor_in(in);
    if (!ask.cursor) return std::nullopt;
  }
  if (!in.at_end()) return std::nullopt;
  return ask;
}

}  // namespace querymark

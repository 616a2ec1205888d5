#include "querymark/feed/certificate.hpp"

#include <algorithm>
#include <utility>

#include "feed_wire.hpp"
#include "querymark/support/bytes.hpp"

namespace querymark {
namespace {

using detail::body_of;
using detail::ByteReader;
using detail::cursor_in;
using detail::framed;
using detail::put_block;
using detail::put_cursor;
using detail::put_integer;
using detail::put_snapshot;
using detail::snapshot_in;

constexpr std::uint32_t kCertificateMagic = 0x43464D51;  // "QMFC"
constexpr std::uint32_t kAskMagic = 0x41464D51;          // "QMFA"

void put_intent(std::string& out, const Certificate::Intent& intent) {
  put_integer(out, intent.position.value);
  put_integer(out, detail::kind_of(intent));
  put_block(out, detail::text_of(intent));
}

// Nothing when it can't be read.
std::optional<Certificate::Intent> intent_in(ByteReader& in) {
  const auto position = in.integer<std::uint64_t>();
  const auto kind = in.integer<std::uint8_t>();
  const auto text = in.block();
  if (!position || !kind || !text) return std::nullopt;
  return detail::intent_of(*kind, *text, {*position});
}

bool too_long(const std::vector<Certificate::Intent>& intents) {
  std::size_t bytes = 0;
  for (const auto& each : intents)
    bytes += sizeof(std::uint64_t) + (each.target ? each.target->text().size() : 0);
  return bytes > Certificate::kMaxIntentBytes;
}

}  // namespace

Certificate::Intent Certificate::Intent::of(const LogRow& row) {
  const bool everything = !row.target || row.target->is_flush();
  return {everything ? std::nullopt : row.target, row.position};
}

LogRow Certificate::Intent::row() const {
  return {.position = position, .target = target ? *target : flush_all()};
}

Certificate Certificate::of(FeedName feed, const Snapshot& from, const Cursor& upto,
                            std::optional<std::span<const LogRow>> rows) {
  Certificate made{
      .feed = std::move(feed), .from = from, .upto = upto, .intents = {}, .answers = {}};
  made.untold = !rows || rows->size() > kMaxIntents;
  if (made.untold) return made;
  // Equal targets at several positions stay apart: a follower passes over what it has written
  // itself, pair by pair.
  for (const LogRow& row : *rows) made.intents.push_back(Intent::of(row));
  if (too_long(made.intents)) {
    made.untold = true;
    made.intents.clear();
  }
  return made;
}

std::string encode_certificate(const Certificate& certificate) {
  std::string body;
  detail::put_feed_name(body, certificate.feed);
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
  auto name = detail::feed_name_in(in);
  auto from = snapshot_in(in);
  if (!from) return std::nullopt;
  auto upto = cursor_in(in);
  const auto untold = in.integer<std::uint8_t>();
  const auto count = in.integer<std::uint32_t>();
  if (!name || !upto || !untold || *untold > 1 || !count ||
      *count > (*untold == 1 ? 0 : Certificate::kMaxIntents) || !upto->snapshot.contains(*from))
    return std::nullopt;
  Certificate read{.feed = *std::move(name),
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

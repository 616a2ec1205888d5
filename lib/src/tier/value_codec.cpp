#include "querymark/tier/value_codec.hpp"

#include "querymark/support/digest.hpp"
#include "querymark/support/error.hpp"

// What is stored:
//
//   magic, version, compression (0: none), sealing (0: none, 1: AES-256-GCM)   8 bytes
//   checksum of all that follows                                              8 bytes
//   name, namespace, stamp, stored, expires, length of the unpacked body
//   sealed: the name of the key
//   the body: targets and rows; compressed, and then sealed
//
// Sealed, all but the checksum stands in what is authenticated, so it has been written together with
// this body by somebody who has the key.

namespace querymark {
namespace {

constexpr std::uint32_t kValueMagic = 0x56534D51;  // "QMSV"
constexpr std::size_t kValueFront = 8;             // magic, version, compression, sealing
constexpr std::size_t kValueHeader = 16;           // and the checksum
constexpr std::uint8_t kAsItIs = 0;
constexpr std::uint8_t kAes256Gcm = 1;

std::optional<WallTime> wall_time(std::optional<std::int64_t> milliseconds) {
  constexpr std::int64_t kYear9999 = 253'402'300'799'000;
  if (!milliseconds || *milliseconds < 0 || *milliseconds > kYear9999) return std::nullopt;
  return WallTime(std::chrono::milliseconds(*milliseconds));
}

std::string body_of(const SharedValue& value) {
  std::string body;
  detail::put_integer(body, static_cast<std::uint32_t>(value.targets.size()));
  for (const Target& target : value.targets) {
    detail::put_block(body, to_string(target.kind()));
    detail::put_block(body, target.text());
  }
  body.append(value.rows.encoded());
  return body;
}

std::optional<std::vector<Target>> read_targets(detail::ByteReader& in) {
  const auto count = in.integer<std::uint32_t>();
  if (!count || *count > kMaxTargets) return std::nullopt;
  std::vector<Target> targets;
  targets.reserve(*count);
  for (std::uint32_t i = 0; i < *count; ++i) {
    const auto kind = in.block();
    const auto text = in.block();
    if (!kind || !text) return std::nullopt;
    auto target = Target::from_log(*kind, *text);
    if (!target) return std::nullopt;
    targets.push_back(std::move(*target));
  }
  return targets;
}

}  // namespace

ValueCodec::ValueCodec(ValueCodecOptions options)
    : compression_(std::move(options.compression)),
      compress_from_(options.compress_from),
      seals_(options.keys != nullptr),
      keys_(std::move(options.keys)) {}

std::shared_ptr<const SealingKeys> ValueCodec::keys() const {
  const MutexLock lock(keys_mutex_);
  return keys_;
}

void ValueCodec::replace_keys(std::shared_ptr<const SealingKeys> keys) {
  if (!keys || !seals_) throw ConfigError("only keys can take the place of a codec's keys");
  const MutexLock lock(keys_mutex_);
  keys_ = std::move(keys);
}

std::optional<std::string> ValueCodec::encode(const SharedName& under, const SharedValue& value,
                                              std::size_t limit) const {
  std::string body = body_of(value);
  const std::size_t length = body.size();
  if (length > limit) return std::nullopt;
  std::uint8_t packing = kAsItIs;
  if (compression_ && length >= compress_from_) {
    std::string packed = compression_->pack(body);
    if (packed.size() < length) {
      packing = compression_->id();
      body = std::move(packed);
    }
  }
  std::string front;
  detail::put_integer(front, kValueMagic);
  detail::put_integer(front, kSharedValueVersion);
  detail::put_integer(front, packing);
  detail::put_integer(front, seals_ ? kAes256Gcm : kAsItIs);
  std::string rest;
  rest.append(under.name.view());
  detail::put_block(rest, under.namespace_name);
  detail::put_integer(rest, value.stamp.epoch.high);
  detail::put_integer(rest, value.stamp.epoch.low);
  detail::put_integer(rest, value.stamp.horizon.value);
  detail::put_integer(rest, value.stamp.witness.value);
  detail::put_integer(rest, value.stored.time_since_epoch().count());
  detail::put_integer(rest, value.expires.time_since_epoch().count());
  detail::put_integer(rest, static_cast<std::uint64_t>(length));
  if (const auto sealing = keys()) {
    detail::put_block(rest, sealing->sealing());
    sealing->seal(rest, under.name, front + rest, body);
  } else {
    rest.append(body);
  }
  if (kValueHeader + rest.size() > limit) return std::nullopt;
  std::string encoded;
  encoded.reserve(kValueHeader + rest.size());
  encoded.append(front);
  detail::put_integer(encoded, checksum(rest));
  encoded.append(rest);
  return encoded;
}

std::optional<SharedValue> ValueCodec::decode(const SharedName& under, ByteView encoded,
                                              std::size_t limit) const {
  if (encoded.size() > limit) return std::nullopt;
  detail::ByteReader in(encoded);
  if (in.integer<std::uint32_t>() != kValueMagic ||
      in.integer<std::uint16_t>() != kSharedValueVersion)
    return std::nullopt;
  const auto packing = in.integer<std::uint8_t>();
  // What is not sealed may be anybody's.
  if (!packing || in.integer<std::uint8_t>() != (seals_ ? kAes256Gcm : kAsItIs))
    return std::nullopt;
  if (*packing != kAsItIs && (!compression_ || *packing != compression_->id())) return std::nullopt;
  const auto sum = in.integer<std::uint64_t>();
  const ByteView rest = in.rest();
  if (!sum || *sum != checksum(rest)) return std::nullopt;
  const auto name = in.take(under.name.view().size());
  const auto namespace_name = in.block();
  if (!name || *name != under.name.view() || !namespace_name ||
      *namespace_name != under.namespace_name)
    return std::nullopt;
  const auto high = in.integer<std::uint64_t>();
  const auto low = in.integer<std::uint64_t>();
  const auto horizon = in.integer<std::uint64_t>();
  const auto witness = in.integer<std::uint64_t>();
  const auto stored = wall_time(in.integer<std::int64_t>());
  const auto expires = wall_time(in.integer<std::int64_t>());
  const auto length = in.integer<std::uint64_t>();
  if (!high || !low || !horizon || !witness || !stored || !expires || !length || *length > limit)
    return std::nullopt;

  std::string opened;
  ByteView body = in.rest();
  if (const auto sealing = keys()) {
    const auto key = in.block();
    if (!key) return std::nullopt;
    const ByteView sealed = in.rest();
    std::string authenticated(encoded.substr(0, kValueFront));
    authenticated.append(rest.substr(0, rest.size() - sealed.size()));
    auto open = sealing->open(*key, under.name, authenticated, sealed);
    if (!open) return std::nullopt;
    opened = std::move(*open);
    body = opened;
  }
  std::string unpacked;
  if (*packing != kAsItIs) {
    auto unpack = compression_->unpack(body, static_cast<std::size_t>(*length));
    if (!unpack) return std::nullopt;
    unpacked = std::move(*unpack);
    body = unpacked;
  }
  if (body.size() != *length) return std::nullopt;
  detail::ByteReader unread(body);
  auto targets = read_targets(unread);
  if (!targets) return std::nullopt;
  auto rows = ResultSet::decode(unread.rest());
  if (!rows) return std::nullopt;
  return SharedValue{.stamp = {{*high, *low}, {*horizon}, {*witness}},
                     .stored = *stored,
                     .expires = *expires,
                     .targets = std::move(*targets),
                     .rows = std::move(*rows)};
}

std::shared_ptr<const ValueCodec> plain_values() {
  static const auto plain = std::make_shared<const ValueCodec>();
  return plain;
}

}  // namespace querymark

#include "querymark/tier/shared_tier.hpp"

namespace querymark {
namespace {

constexpr std::uint32_t kMagic = 0x56534D51;  // "QMSV"
constexpr std::size_t kHeader = 16;           // magic, version, zero, checksum of the rest

std::optional<WallTime> wall_time(std::optional<std::int64_t> milliseconds) {
  constexpr std::int64_t kYear9999 = 253'402'300'799'000;
  if (!milliseconds || *milliseconds < 0 || *milliseconds > kYear9999) return std::nullopt;
  return WallTime(std::chrono::milliseconds(*milliseconds));
}

}  // namespace

std::string encode_shared_value(const SharedName& under, const SharedValue& value) {
  std::string body;
  body.append(under.name.view());
  detail::put_block(body, under.namespace_name);
  detail::put_integer(body, value.stamp.epoch.high);
  detail::put_integer(body, value.stamp.epoch.low);
  detail::put_integer(body, value.stamp.horizon.value);
  detail::put_integer(body, value.stamp.witness.value);
  detail::put_integer(body, value.stored.time_since_epoch().count());
  detail::put_integer(body, value.expires.time_since_epoch().count());
  detail::put_integer(body, static_cast<std::uint32_t>(value.targets.size()));
  for (const Target& target : value.targets) {
    detail::put_block(body, to_string(target.kind()));
    detail::put_block(body, target.text());
  }
  body.append(value.rows.encoded());
  std::string encoded;
  encoded.reserve(kHeader + body.size());
  detail::put_integer(encoded, kMagic);
  detail::put_integer(encoded, kSharedValueVersion);
  detail::put_integer(encoded, std::uint16_t{0});
  detail::put_integer(encoded, checksum(body));
  return encoded + body;
}

std::optional<SharedValue> decode_shared_value(const SharedName& under, ByteView encoded) {
  detail::ByteReader in(encoded);
  if (in.integer<std::uint32_t>() != kMagic || in.integer<std::uint16_t>() != kSharedValueVersion ||
      in.integer<std::uint16_t>() != 0)
    return std::nullopt;
  const auto sum = in.integer<std::uint64_t>();
  if (!sum || *sum != checksum(in.rest())) return std::nullopt;
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
  const auto count = in.integer<std::uint32_t>();
  if (!high || !low || !horizon || !witness || !stored || !expires || !count ||
      *count > kMaxTargets)
    return std::nullopt;
  SharedValue value{.stamp = {{*high, *low}, {*horizon}, {*witness}},
                    .stored = *stored,
                    .expires = *expires,
                    .targets = {},
                    .rows = {}};
  for (std::uint32_t i = 0; i < *count; ++i) {
    const auto kind = in.block();
    const auto text = in.block();
    if (!kind || !text) return std::nullopt;
    auto target = Target::from_log(*kind, *text);
    if (!target) return std::nullopt;
    value.targets.push_back(std::move(*target));
  }
  auto rows = ResultSet::decode(in.rest());
  if (!rows) return std::nullopt;
  value.rows = std::move(*rows);
  return value;
}

std::optional<SharedValue> SharedTier::get(std::string_view namespace_name,
                                           const Digest& name) noexcept {
  TierRead wanted{.name = name};
  static_cast<void>(read(namespace_name, {&wanted, 1}));
  return std::move(wanted.value);
}

}  // namespace querymark

#include "feed_keys.hpp"

#include "querymark/feed/buckets.hpp"
#include "slots.hpp"

namespace querymark::redis {
namespace {

// A cluster has a script's keys in one slot.
constexpr std::string_view kPutAside =
    "local is = redis.call('TYPE', KEYS[1]).ok "
    "if is == 'none' or is == ARGV[1] then return 0 end "
    "redis.call('UNLINK', KEYS[2]) redis.call('RENAME', KEYS[1], KEYS[2]) "
    "redis.call('PEXPIRE', KEYS[2], ARGV[2]) return 1";
constexpr std::string_view kAsideFor = "604800000";  // milliseconds: a week, to be looked at

}  // namespace

FeedKeys::FeedKeys(const std::string& prefix, const FeedName& name) {
  const std::string tag = '{' + prefix + ":feed:" + escaped(name.namespace_name) + ':' +
                          escaped(name.database_id) + "}:";
  slot = slot_of(tag);
  stream = tag + "stream";
  beat = tag + "beat";
  asks = tag + "asks";
  news = tag + "news";
  rings = tag + "rings";
  control = tag + "control";
  for (std::size_t at = 0; at < kBuckets; ++at)
    buckets.push_back(tag + "bucket:" + std::to_string(at));
}

std::vector<std::pair<std::string_view, std::string_view>> FeedKeys::types() const {
  std::vector<std::pair<std::string_view, std::string_view>> all{
      {stream, "stream"}, {beat, "string"},  {asks, "hash"},
      {news, "stream"},   {rings, "stream"}, {control, "stream"}};
  for (const std::string& bucket : buckets) all.emplace_back(bucket, "hash");
  return all;
}

void add_put_aside(FeedCall& call, const FeedKeys& keys) {
  for (const auto& [key, type] : keys.types()) {
    std::string aside(key);
    aside += ":aside";
    call.add({"EVAL", kPutAside, "2", key, aside, type, kAsideFor});
  }
}

}  // namespace querymark::redis

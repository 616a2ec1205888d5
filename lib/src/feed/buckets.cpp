#include "querymark/feed/buckets.hpp"

#include <algorithm>
#include <map>
#include <ranges>

#include "feed_wire.hpp"
#include "querymark/feed/feed.hpp"

namespace querymark {
namespace {

using detail::ByteReader;

constexpr std::uint32_t kHeadMagic = 0x48464D51;  // "QMFH"
constexpr std::uint32_t kEndMagic = 0x45464D51;   // "QMFE"
constexpr std::size_t kBucketBytes = 1U << 20U;   // of targets, before the next is begun

std::string encode_head(const FeedName& feed, const Cursor& from) {
  std::string body;
  detail::put_feed_name(body, feed);
  detail::put_cursor(body, from);
  return detail::framed(kHeadMagic, body);
}

// With the epoch: the same snapshot of another one is another place.
std::string encode_end(const Cursor& upto) {
  std::string body;
  detail::put_cursor(body, upto);
  return detail::framed(kEndMagic, body);
}

struct Bucket {
  FeedName feed;
  Cursor from;
  Cursor upto;
};

std::optional<Bucket> decode_bucket(const StoredBucket& stored) {
  const auto head = detail::body_of(kHeadMagic, stored.head);
  const auto end = detail::body_of(kEndMagic, stored.upto);
  if (!head || !end) return std::nullopt;
  ByteReader in_head(*head);
  ByteReader in_end(*end);
  auto feed = detail::feed_name_in(in_head);
  auto from = detail::cursor_in(in_head);
  auto upto = detail::cursor_in(in_end);
  if (!feed || !from || !upto || !in_head.at_end() || !in_end.at_end() ||
      from->epoch != upto->epoch || !upto->snapshot.contains(from->snapshot))
    return std::nullopt;
  return Bucket{*std::move(feed), *std::move(from), *std::move(upto)};
}

}  // namespace

void BucketKeeper::look(FeedWriter& writer, const Certificate& certificate) {
  open_.reset();
  next_ = 0;
  const std::vector<StoredBucket> stored = writer.bucket_heads();
  for (std::size_t at = 0; at < std::min(stored.size(), kBuckets); ++at) {
    const auto bucket = decode_bucket(stored[at]);
    if (!bucket || bucket->feed != feed_ || bucket->upto.epoch != certificate.upto.epoch) continue;
    if (open_ && !bucket->upto.snapshot.contains(open_->upto.snapshot)) continue;
    open_ = {.bucket = at, .upto = bucket->upto, .marks = stored[at].size};
    next_ = (at + 1) % kBuckets;
  }
}

bool BucketKeeper::change(FeedWriter& writer, const Certificate& certificate) {
  const bool joins = open_ && open_->upto.epoch == certificate.upto.epoch &&
                     open_->upto.snapshot.contains(certificate.from);
  if (joins && open_->upto.snapshot.contains(certificate.upto.snapshot)) return true;  // known
  const bool extends = joins && certificate.upto.snapshot.contains(open_->upto.snapshot) &&
                       open_->marks < kBucketMarks && open_->bytes < kBucketBytes;
  BucketChange change{.bucket = extends ? open_->bucket : next_};
  if (extends)
    change.expected = encode_end(open_->upto);
  else
    change.head = encode_head(feed_, {certificate.upto.epoch, certificate.from, {}});
  change.upto = encode_end(certificate.upto);
  std::map<std::string, std::string> last;
  std::size_t bytes = extends ? open_->bytes : 0;
  for (const auto& intent : certificate.intents) {
    auto [field, position] = detail::mark_of(intent);
    bytes += field.size();
    std::string& kept = last[std::move(field)];
    kept = std::max(kept, position);
  }
  change.marks.assign(last.begin(), last.end());
  const auto size = writer.change_bucket(change);
  if (!size) return false;
  open_ = {.bucket = change.bucket, .upto = certificate.upto, .marks = *size, .bytes = bytes};
  next_ = (change.bucket + 1) % kBuckets;
  return true;
}

void BucketKeeper::keep(FeedWriter& writer, const Certificate& certificate) {
  if (!writer.keeps_buckets()) return;
  if (certificate.untold) {  // what comes next begins a bucket, since it joins none
    open_.reset();
    return;
  }
  if (!open_) look(writer, certificate);
  if (change(writer, certificate)) return;
  look(writer, certificate);
  if (!change(writer, certificate)) open_.reset();
}

std::optional<FeedHistory> history_before(const Certificate& began,
                                          std::span<const StoredBucket> buckets) {
  if (began.untold) return std::nullopt;
  std::vector<std::pair<Bucket, const StoredBucket*>> left;
  for (const StoredBucket& stored : buckets)
    if (auto bucket = decode_bucket(stored);
        bucket && bucket->feed == began.feed && bucket->upto.epoch == began.upto.epoch)
      left.emplace_back(*std::move(bucket), &stored);
  FeedHistory history{.from = {began.upto.epoch, began.from, {}}, .rows = {}};
  for (const auto& intent : began.intents) history.rows.push_back(intent.row());
  bool found = false;
  for (;;) {
    const Snapshot& from = history.from.snapshot;
    const auto before = std::ranges::find_if(left, [&](const auto& each) {
      const Bucket& bucket = each.first;
      return bucket.upto.snapshot.contains(from) && from.contains(bucket.from.snapshot) &&
             from != bucket.from.snapshot;
    });
    if (before == left.end()) break;
    std::vector<LogRow> rows;
    for (const auto& mark : before->second->marks)
      if (const auto intent = detail::intent_in(mark)) rows.push_back(intent->row());
    if (rows.size() < before->second->marks.size()) break;  // it has been tampered with
    std::ranges::move(rows, std::back_inserter(history.rows));
    history.from = before->first.from;
    left.erase(before);
    found = true;
  }
  if (!found) return std::nullopt;
  return history;
}

}  // namespace querymark

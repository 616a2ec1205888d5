#include "querymark/feed/buckets.hpp"

#include <algorithm>
#include <map>
#include <ranges>

#include "feed_wire.hpp"
#include "querymark/feed/feed.hpp"

// A bucket says "all that the log holds between my beginning and my end is here", a certificate the same
// of a segment. Neither leans on the other, so a certificate and the change that it means travel in one
// round trip, and it does not matter which of them a server has done when something breaks:
//
//   neither                     the consumer's cursor stands; the segment is handed on again, longer maybe
//   the certificate alone       the same; followers pass over what they know. The bucket ends before it,
//                               which is true, and the next change takes it in
//   the bucket alone            the same; the bucket is found to end behind the certificate. What
//                               lies ahead of a beginner's cursor makes stale too early, which is a miss
//   both, but no answer came    the same; the bucket has it all, or ends elsewhere than was known: a look
//   the certificate, and the    appended already; the bucket is looked at and changed before the cursor
//   bucket is another by now    moves, in the same call
//
// The cursor moves only when all of it was answered without an error. Who begins at a certificate needs a
// bucket that reaches to where that begins, and takes the rest from the certificate.

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

bool BucketKeeper::joins(const Certificate& certificate) const {
  return open_ && open_->upto.epoch == certificate.upto.epoch &&
         open_->upto.snapshot.contains(certificate.from);
}

std::optional<BucketChange> BucketKeeper::change_for(const Certificate& certificate) const {
  const bool joined = joins(certificate);
  if (joined && open_->upto.snapshot.contains(certificate.upto.snapshot)) return std::nullopt;
  const bool extends = joined && certificate.upto.snapshot.contains(open_->upto.snapshot) &&
                       open_->marks < kBucketMarks && open_->bytes < kBucketBytes;
  BucketChange change{.bucket = extends ? open_->bucket : next_};
  if (extends)
    change.expected = encode_end(open_->upto);
  else
    change.head = encode_head(feed_, {certificate.upto.epoch, certificate.from, {}});
  change.upto = encode_end(certificate.upto);
  std::map<std::string, std::string> last;
  for (const auto& intent : certificate.intents) {
    auto [field, position] = detail::mark_of(intent);
    std::string& kept = last[std::move(field)];
    kept = std::max(kept, position);
  }
  change.marks.assign(last.begin(), last.end());
  return change;
}

void BucketKeeper::changed(const BucketChange& change, const Certificate& certificate,
                           std::size_t size) {
  std::size_t bytes = change.expected ? open_->bytes : 0;
  for (const auto& [target, position] : change.marks) bytes += target.size();
  open_ = {.bucket = change.bucket, .upto = certificate.upto, .marks = size, .bytes = bytes};
  next_ = (change.bucket + 1) % kBuckets;
}

void BucketKeeper::hand_on(FeedWriter& writer, const Certificate& certificate) {
  const std::string encoded = encode_certificate(certificate);
  if (!writer.keeps_buckets() || certificate.untold) {
    open_.reset();  // what comes next begins a bucket, since it joins none
    writer.append(encoded);
    return;
  }
  if (!open_) look(writer, certificate);
  auto change = change_for(certificate);
  if (!change) {
    writer.append(encoded);
    return;
  }
  if (const auto size = writer.append_with(*change, encoded)) {
    changed(*change, certificate, *size);
    return;
  }
  // It has been appended. The bucket ends elsewhere than was known: look, and once more.
  look(writer, certificate);
  change = change_for(certificate);
  if (!change) return;
  if (const auto size = writer.change_bucket(*change))
    changed(*change, certificate, *size);
  else
    open_.reset();
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

// What a feed's server shows to followers and workers, where anybody may have written: certificates,
// questions, and the buckets' marks. Each is what was written, or nothing. The first byte says which.

#include "feed_wire.hpp"
#include "fuzz/fuzz.hpp"
#include "fuzz/sealed.hpp"
#include "querymark/feed/buckets.hpp"
#include "querymark/feed/certificate.hpp"
#include "querymark/feed/feed_follower.hpp"

using namespace querymark;

namespace {

const FeedName kFeed{"db", "shop"};

void try_certificate(const std::string& bytes) {
  const auto certificate = decode_certificate(bytes);
  if (!certificate) return;
  fuzz::require(certificate->upto.snapshot.contains(certificate->from), "it goes forward");
  fuzz::require(encode_certificate(*certificate) == bytes, "it is written as it was read");
  FeedFollower follower(kFeed);
  FeedPage page;
  page.entries = {bytes, bytes};
  const FeedTaken taken =
      follower.take(Cursor{certificate->upto.epoch, certificate->from, {}}, page);
  fuzz::require(taken.upto.has_value(), "who stands somewhere stands somewhere afterwards");
  fuzz::require(!taken.as_of, "it answers nothing that was not asked");
}

void try_ask(const std::string& bytes) {
  const auto ask = decode_ask(bytes);
  if (ask) fuzz::require(encode_ask(*ask) == bytes, "it is written as it was read");
}

// A head, an end and marks, each behind its length.
void try_bucket(std::string_view input) {
  detail::ByteReader in(input);
  const auto next = [&]() -> std::string { return std::string(in.block().value_or("")); };
  StoredBucket bucket{.head = fuzz::sealed(next()), .upto = fuzz::sealed(next()), .marks = {}};
  while (!in.at_end() && bucket.marks.size() < 100) {
    std::string target = next();
    bucket.marks.emplace_back(std::move(target), next());
    const auto intent = detail::intent_in(bucket.marks.back());
    fuzz::require(!intent || detail::mark_of(*intent) == bucket.marks.back(),
                  "a mark is written as it was read");
  }
  const Cursor began{{1, 2}, Snapshot::upto({9}), {}};
  const Certificate at{
      .feed = kFeed, .from = began.snapshot, .upto = began, .intents = {}, .answers = {}};
  const auto history = history_before(at, {&bucket, 1});
  if (!history) return;
  fuzz::require(began.snapshot.contains(history->from.snapshot), "it lies before the beginning");
  fuzz::require(history->rows.size() == bucket.marks.size(), "no mark is left out");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input = fuzz::view_of(data, size).substr(1);
  switch (data[0] % 3) {
    case 0:
      try_certificate(fuzz::sealed(input));
      break;
    case 1:
      try_ask(fuzz::sealed(input));
      break;
    default:
      try_bucket(input);
  }
  return 0;
}

#include "querymark/feed/sealed_feed.hpp"

#include <map>
#include <optional>
#include <string>

#include "querymark/support/bytes.hpp"
#include "querymark/support/digest.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/random.hpp"

// What is sealed: "QMFS", a version, the name of the key, sixteen random bytes; and behind these, which
// are authenticated, the nonce, the sealed bytes and their tag. The random bytes are part of the name
// under which a key is derived, so however many certificates a log sees, no key seals two.

namespace querymark {
namespace {

using detail::ByteReader;
using detail::put_block;
using detail::put_integer;

constexpr std::uint32_t kSealedMagic = 0x53464D51;  // "QMFS"
constexpr std::uint16_t kSealedVersion = 1;
// A certificate is no question, and a question no certificate.
constexpr std::string_view kOfWorkers = "certificate";
constexpr std::string_view kOfFollowers = "question";

class FeedSeal {
 public:
  FeedSeal(std::shared_ptr<const SealingKeys> keys, FeedName name)
      : keys_(std::move(keys)), name_(std::move(name)) {}

  [[nodiscard]] std::string seal(std::string_view what, ByteView bytes) const {
    std::string out;
    put_integer(out, kSealedMagic);
    put_integer(out, kSealedVersion);
    put_block(out, keys_->sealing());
    std::string salt;
    put_integer(salt, random_u64());
    put_integer(salt, random_u64());
    put_block(out, salt);
    const std::string header = out;
    keys_->seal(out, under(what, salt), header, bytes);
    return out;
  }
  [[nodiscard]] std::optional<std::string> open(std::string_view what, ByteView sealed) const {
    ByteReader in(sealed);
    if (in.integer<std::uint32_t>() != kSealedMagic ||
        in.integer<std::uint16_t>() != kSealedVersion)
      return std::nullopt;
    const auto key = in.block();
    const auto salt = in.block();
    if (!key || !salt || salt->size() != 2 * sizeof(std::uint64_t)) return std::nullopt;
    const ByteView header = sealed.substr(0, sealed.size() - in.rest().size());
    return keys_->open(*key, under(what, *salt), header, in.rest());
  }

 private:
  [[nodiscard]] Digest under(std::string_view what, ByteView salt) const {
    return sha256({"querymark feed", what, name_.database_id, name_.namespace_name, salt});
  }

  std::shared_ptr<const SealingKeys> keys_;
  FeedName name_;
};

class SealedReader final : public FeedReader {
 public:
  SealedReader(std::unique_ptr<FeedReader> reader, FeedSeal seal)
      : reader_(std::move(reader)), seal_(std::move(seal)) {}

  // What does not open is handed over as nothing, which is no certificate: it is counted there.
  [[nodiscard]] FeedPage read(const FeedRequest& request) override {
    FeedRequest sealed = request;
    if (sealed.ask) sealed.ask->bytes = seal_.seal(kOfFollowers, sealed.ask->bytes);
    FeedPage page = reader_->read(sealed);
    for (std::string& entry : page.entries) entry = seal_.open(kOfWorkers, entry).value_or("");
    if (page.beat) page.beat = seal_.open(kOfWorkers, *page.beat).value_or("");
    return page;
  }
  [[nodiscard]] std::vector<StoredBucket> buckets() override { return {}; }
  void await(std::chrono::nanoseconds timeout) override { reader_->await(timeout); }
  void leave(SubscriberId follower) override { reader_->leave(follower); }

 private:
  const std::unique_ptr<FeedReader> reader_;
  const FeedSeal seal_;
};

class SealedWriter final : public FeedWriter {
 public:
  SealedWriter(std::unique_ptr<FeedWriter> writer, FeedSeal seal)
      : writer_(std::move(writer)), seal_(std::move(seal)) {}

  [[nodiscard]] std::vector<std::string> asks() override {
    sealed_.clear();
    std::vector<std::string> all;
    for (std::string& sealed : writer_->asks())
      if (auto ask = seal_.open(kOfFollowers, sealed)) {
        all.push_back(*ask);
        sealed_[*std::move(ask)] = std::move(sealed);
      }
    return all;
  }
  void append(const std::string& certificate) override {
    writer_->append(seal_.seal(kOfWorkers, certificate));
  }
  // Marks can't be sealed so that one that was taken out is missed.
  [[nodiscard]] bool keeps_buckets() const noexcept override { return false; }
  [[nodiscard]] std::vector<StoredBucket> bucket_heads() override { throw none(); }
  [[nodiscard]] std::optional<std::size_t> change_bucket(const BucketChange& /*change*/) override {
    throw none();
  }
  [[nodiscard]] std::optional<std::size_t> append_with(
      const BucketChange& /*change*/, const std::string& /*certificate*/) override {
    throw none();
  }
  void beat(const std::string& certificate) override {
    writer_->beat(seal_.seal(kOfWorkers, certificate));
  }
  void forget(SubscriberId follower, const std::string& ask) override {
    if (const auto sealed = sealed_.find(ask); sealed != sealed_.end())
      writer_->forget(follower, sealed->second);
  }
  void control() override { writer_->control(); }

 private:
  [[nodiscard]] static Error none() { return Error("a sealed feed keeps no buckets"); }

  const std::unique_ptr<FeedWriter> writer_;
  const FeedSeal seal_;
  std::map<std::string, std::string> sealed_;  // of what was last asked, as the server keeps it
};

}  // namespace

SealedFeed::SealedFeed(std::shared_ptr<Feed> feed, std::shared_ptr<const SealingKeys> keys)
    : feed_(std::move(feed)), keys_(std::move(keys)) {
  if (!feed_ || !keys_) throw ConfigError("a sealed feed needs a feed and keys");
}

std::unique_ptr<FeedReader> SealedFeed::reader(const FeedName& name) {
  return std::make_unique<SealedReader>(feed_->reader(name), FeedSeal(keys_, name));
}

std::unique_ptr<FeedWriter> SealedFeed::writer(const FeedName& name) {
  return std::make_unique<SealedWriter>(feed_->writer(name), FeedSeal(keys_, name));
}

}  // namespace querymark

#include "querymark/feed/feed_relay.hpp"

#include <exception>
#include <utility>

#include "querymark/support/thread.hpp"

namespace querymark {

FeedRelay::FeedRelay(const FeedName& name, Feed& feed, std::unique_ptr<Followers> followers)
    : name_(name),
      writer_(feed.writer(name)),
      buckets_(name),
      followers_(std::move(followers)),
      bell_(feed.ask_bell(name)) {}

FeedRelay::~FeedRelay() {
  listening_.request_stop();
  if (bell_) bell_->interrupt();
}

void FeedRelay::on_ask(const std::function<void()>& wake) {
  if (!bell_) return;
  listening_ = start_thread([this, wake](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      try {
        bell_->wait(std::chrono::minutes(1));
        if (!stop.stop_requested()) wake();
      } catch (const std::exception&) {  // who is not heard is answered when the worker looks
        sleep_unless_stopped(std::chrono::milliseconds(500), stop);
      }
    }
  });
}

void FeedRelay::listen() {
  asked_.clear();
  std::vector<FeedAsk> asks;
  for (const std::string& encoded : writer_->asks())
    if (auto ask = decode_ask(encoded)) asks.push_back(*std::move(ask));
  // Who waits for all of them must know of each before it is answered.
  if (followers_) {
    for (const FeedAsk& gone : followers_->saw(asks))
      writer_->forget(gone.follower, encode_ask(gone));
    following_ = followers_->count();
  }
  for (const FeedAsk& ask : asks)
    if (asked_.size() < Certificate::kMaxAnswers) asked_.push_back(ask.nonce);
}

void FeedRelay::hand_on(const Snapshot& from, const Cursor& upto,
                        std::optional<std::span<const LogRow>> rows) {
  Certificate certificate = Certificate::of(name_, from, upto, rows);
  certificate.answers = asked_;
  buckets_.hand_on(*writer_, certificate);
  ++segments_;
}

void FeedRelay::nothing_new(const Snapshot& from, const Cursor& upto) {
  if (asked_.empty()) return;
  Certificate certificate{
      .feed = name_, .from = from, .upto = upto, .intents = {}, .answers = asked_};
  writer_->beat(encode_certificate(certificate));
  ++beats_;
}

RelayStats FeedRelay::stats() const {
  return {.segments = segments_, .beats = beats_, .followers = following_};
}

}  // namespace querymark

#include "querymark/feed/feed_follower.hpp"

#include <algorithm>
#include <ranges>

#include "querymark/support/random.hpp"

namespace querymark {
namespace {

// Questions that may yet be answered: the workers know the last one alone, but an answer to an
// earlier one may be on its way.
constexpr std::size_t kMostAsked = 64;
constexpr std::size_t kMostLeft = 1000;

}  // namespace

Nonce FeedFollower::ask(MonotonicTime now) {
  const Nonce nonce{random_u64()};
  asked_.push_back({.nonce = nonce, .asked = now, .number = ++questions_});
  if (asked_.size() > kMostAsked) asked_.pop_front();
  return nonce;
}

// The last of them.
const FeedFollower::Question* FeedFollower::answered(const Certificate& certificate) const {
  for (const Question& question : std::views::reverse(asked_))
    if (std::ranges::find(certificate.answers, question.nonce) != certificate.answers.end())
      return &question;
  return nullptr;
}

bool FeedFollower::has_left(const Epoch& epoch) const {
  return std::ranges::find(left_, epoch) != left_.end();
}

void FeedFollower::leave(const Epoch& epoch) {
  if (has_left(epoch)) return;
  left_.push_back(epoch);
  if (left_.size() > kMostLeft) left_.pop_front();
}

void FeedFollower::take_one(FeedTaken& taken, std::string_view bytes) {
  auto certificate = decode_certificate(bytes);
  if (!certificate || certificate->feed != feed_) {
    ++foreign_;
    return;
  }
  const Cursor& upto = certificate->upto;
  if (has_left(upto.epoch)) return;
  const Question* const answer = answered(*certificate);
  bool begins = !taken.upto;
  const auto begin_at = [&](TailStatus status) {
    if (taken.status != TailStatus::history_changed) taken.status = status;
    taken.rows.clear();
    taken.upto = upto;
    begins = true;
  };
  if (!taken.upto || taken.upto->epoch != upto.epoch) {
    if (answer == nullptr) return;
    if (taken.upto) {
      if (answer->number <= before_entry_) return;
      leave(taken.upto->epoch);
      begin_at(TailStatus::history_changed);
    } else {
      taken.upto = upto;
    }
    before_entry_ = questions_;
  } else if (taken.upto->snapshot.contains(upto.snapshot)) {
    // known already
  } else if (certificate->untold && taken.upto->snapshot.contains(certificate->from)) {
    begin_at(TailStatus::pruned);
  } else if (taken.upto->snapshot.contains(certificate->from)) {
    for (const auto& intent : certificate->intents) {
      taken.rows.push_back(intent.row());
      taken.rows.back().id = taken.rows.size();
    }
    if (beginning_)
      began_->intents.insert(began_->intents.end(), certificate->intents.begin(),
                             certificate->intents.end());
    taken.upto = upto;
  } else {
    ++gaps_;
    begin_at(TailStatus::pruned);
    place_.clear();  // entries may have got earlier places than those that were lost
  }
  if (answer != nullptr) {
    taken.as_of = std::max(taken.as_of.value_or(answer->asked), answer->asked);
    taken.answered = std::max(taken.answered, answer->number);
  }
  if (!begins) return;
  began_ = std::move(certificate);
  beginning_ = true;
}

FeedTaken FeedFollower::take(const std::optional<Cursor>& cursor, const FeedPage& page) {
  FeedTaken taken{.status = TailStatus::ok, .rows = {}, .upto = cursor, .as_of = std::nullopt};
  place_ = page.last;
  for (const std::string& entry : page.entries) take_one(taken, entry);
  if (!page.more && page.beat) take_one(taken, *page.beat);
  return taken;
}

}  // namespace querymark

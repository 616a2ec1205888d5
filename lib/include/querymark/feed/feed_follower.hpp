#pragma once  // For writers of ports.

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "querymark/feed/certificate.hpp"
#include "querymark/feed/feed.hpp"
#include "querymark/support/clock.hpp"

namespace querymark {

/// What a page of the feed is to a follower.
struct FeedTaken {
  TailStatus status = TailStatus::ok;
  std::vector<LogRow> rows;  ///< Of `ok`: what is new to the cursor, and maybe some that is not.
  /// Where the follower stands after them; nothing: it has yet to begin.
  std::optional<Cursor> upto;
  /// What was committed before this is included. Nothing: the page answers no question.
  std::optional<MonotonicTime> as_of;
  /// The last question that it answers, of those that were asked, from 1. What was committed before that
  /// one is included, also what was committed at the same moment by the clock.
  std::uint64_t answered = 0;
};

/// Decides what certificates are to a follower, whatever order or history they come in:
///
///   of another feed, no certificate        nothing
///   of an epoch that was left              nothing
///   of another epoch than the cursor's     begin there, if it answers a question of one's own that was
///                                          asked since the cursor's was entered: who answered has seen
///                                          the database after it was in that epoch, to which it has
///                                          not come back; an older answer may be from before
///   upto covered by the cursor             known already
///   from covered by the cursor             apply, stand at upto; what is not told: begin anew there
///   else a gap: something was lost         begin anew at upto
///
/// An answer counts where the cursor includes what it tells. No I/O, no clock. Not thread-safe.
class FeedFollower {
 public:
  explicit FeedFollower(FeedName feed) : feed_(std::move(feed)) {}

  /// A new question, asked now.
  [[nodiscard]] Nonce ask(MonotonicTime now);
  /// So many questions were asked: the number of the last.
  [[nodiscard]] std::uint64_t questions() const noexcept { return questions_; }
  /// Takes what was read from `place()` on, by somebody who stands at `cursor`. Nothing is
  /// remembered of what it returns: the next call's cursor tells what was applied.
  [[nodiscard]] FeedTaken take(const std::optional<Cursor>& cursor, const FeedPage& page);

  /// From where to read the stream.
  [[nodiscard]] const FeedPlace& place() const noexcept { return place_; }
  /// Back to where it was before pages that were taken in vain.
  void return_to(FeedPlace place) { place_ = std::move(place); }

  /// Whoever has begun anew stands at the end of all pages of that look.
  void begin_look() noexcept { beginning_ = false; }
  /// The certificate at which it last began, or began anew, with the intents of all that followed in
  /// the same look; nothing: it has yet to begin.
  [[nodiscard]] const std::optional<Certificate>& began() const noexcept { return began_; }

  /// Gaps that were found, and bytes that were no certificate of this feed.
  [[nodiscard]] std::uint64_t gaps() const noexcept { return gaps_; }
  [[nodiscard]] std::uint64_t foreign() const noexcept { return foreign_; }

 private:
  void take_one(FeedTaken& taken, std::string_view bytes);
  struct Question {
    Nonce nonce;
    MonotonicTime asked;
    std::uint64_t number = 0;
  };

  [[nodiscard]] const Question* answered(const Certificate& certificate) const;
  [[nodiscard]] bool has_left(const Epoch& epoch) const;
  void leave(const Epoch& epoch);

  FeedName feed_;
  FeedPlace place_;
  std::optional<Certificate> began_;
  bool beginning_ = false;
  std::deque<Question> asked_;  // oldest first
  std::uint64_t questions_ = 0;
  std::uint64_t before_entry_ = 0;  // of them, before the epoch was entered in which it stands now
  std::deque<Epoch> left_;
  std::uint64_t gaps_ = 0;
  std::uint64_t foreign_ = 0;
};

}  // namespace querymark

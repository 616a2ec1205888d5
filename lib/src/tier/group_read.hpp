#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/support/mutex.hpp"
#include "tier_group_state.hpp"

namespace querymark::detail {

/// One read of a group. See group_read.cpp for who does what.
class GroupRead : public std::enable_shared_from_this<GroupRead> {
 public:
  GroupRead(TierGroupState& group, std::string path, std::string_view namespace_name,
            std::span<const TierRead> wanted);

  /// Asks the members as the group's options say, and fills in what was found.
  [[nodiscard]] std::optional<TierFailure> run(std::span<TierRead> wanted);
  /// The caller leaves: nobody asks its judges any more.
  void end() noexcept;

 private:
  // Stands between members and the reader's judge.
  class Ear final : public TierJudge {
   public:
    Ear(GroupRead& read, TierJudge* judge) : read_(read), judge_(judge) {}
    [[nodiscard]] bool takes(const SharedValue& value) noexcept override;
    [[nodiscard]] TierJudge* heard() noexcept { return judge_ == nullptr ? nullptr : this; }

   private:
    GroupRead& read_;
    TierJudge* judge_;
  };
  // What one member is asked for, and answers.
  struct Question {
    std::size_t member = 0;
    std::vector<std::size_t> places;  // of the names among those wanted
    std::vector<TierRead> names;
    std::optional<TierFailure> failure;
  };
  // What a member that answered has for a name: the stamp of what is good enough.
  struct Heard {
    std::size_t member = 0;
    std::optional<SharedStamp> good;
  };
  // What has come of a name.
  struct Found {
    std::optional<SharedValue> value;
    std::size_t member = 0;
    std::vector<TierRefill> refills;
    std::vector<Heard> heard;
  };

  [[nodiscard]] std::shared_ptr<Question> question(std::size_t member);
  // False: answered already.
  [[nodiscard]] bool ask(std::size_t member);
  void put_to_member(Question& question) noexcept;
  void hand_in(std::shared_ptr<Question> answered) noexcept;
  [[nodiscard]] std::vector<std::shared_ptr<Question>> await(
      std::optional<std::chrono::steady_clock::time_point> until);
  void take_in(Question& answered);
  [[nodiscard]] std::optional<TierFailure> finish(std::span<TierRead> wanted);

  TierGroupState& group_;
  const std::string path_;
  const std::string namespace_name_;
  std::deque<Ear> ears_;  // one for each name

  // The caller's alone.
  std::vector<Digest> names_;
  std::vector<Found> found_;
  std::size_t open_;  // so many names have no good value yet
  std::vector<TierFailure> failures_;
  std::size_t asked_ = 0;

  Mutex mutex_;
  std::condition_variable answered_;
  std::vector<std::shared_ptr<Question>> answers_ QUERYMARK_GUARDED_BY(mutex_);
  bool over_ QUERYMARK_GUARDED_BY(mutex_) = false;

  Mutex judge_mutex_;  // before a judge's own locks; held while it is asked
  bool left_ QUERYMARK_GUARDED_BY(judge_mutex_) = false;
};

}  // namespace querymark::detail

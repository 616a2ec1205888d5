#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exchange.hpp"

namespace querymark::redis {

/// What a command was answered: replies, which are asked for one by one. Each function throws Error
/// when the next reply is of another kind, the server's own error above all.
class Answer {
 public:
  [[nodiscard]] const std::string& text() { return next(Reply::Is::text).text; }
  std::int64_t number() { return next(Reply::Is::number).number; }
  /// The length of a list, whose replies follow.
  [[nodiscard]] std::int64_t list() { return next(Reply::Is::list).number; }
  /// Whether the next reply says that there is nothing, which is passed over then.
  [[nodiscard]] bool nothing();
  /// So many replies that are texts.
  void pass_over(std::int64_t texts);

 private:
  friend class FeedCall;
  struct Kept {
    Reply::Is is;
    std::string text;
    std::int64_t number;
  };
  const Kept& next(Reply::Is is);

  std::string where_;
  std::vector<Kept> replies_;
  std::size_t at_ = 0;
  std::size_t came_ = 0;  // how many answers to the same call were there before
};

/// Commands on the keys of one slot, which travel together. Where the slot is moved meanwhile they may
/// be done in another order.
class FeedCall {
 public:
  explicit FeedCall(std::uint16_t slot) : slot_(slot) {}

  /// Returns the command's number.
  std::size_t add(std::span<const std::string_view> words);
  std::size_t add(std::initializer_list<std::string_view> words) {
    return add(std::span(words.begin(), words.size()));
  }
  /// Sends them, and blocks until all are answered. Throws Error when one is not, or is refused.
  void run(Topology& topology, const Clock& clock, Deadline until);

  /// For after `run`.
  [[nodiscard]] Answer& operator[](std::size_t command) { return answers_[command]; }
  /// Whether one command was done after another: its answer came later.
  [[nodiscard]] bool later(std::size_t one, std::size_t other) const {
    return answers_[one].came_ > answers_[other].came_;
  }

 private:
  const std::uint16_t slot_;
  std::vector<Command> commands_;
  std::vector<Answer> answers_;
};

}  // namespace querymark::redis

#include "feed_call.hpp"

#include <utility>

#include "connection.hpp"
#include "querymark/support/error.hpp"

namespace querymark::redis {

const Answer::Kept& Answer::next(Reply::Is is) {
  if (at_ == replies_.size()) throw Error(where_ + ": an answer ends too early");
  const Kept& kept = replies_[at_++];
  if (kept.is != is)
    throw refusal(where_, {.is = kept.is, .text = kept.text, .number = kept.number});
  return kept;
}

bool Answer::nothing() {
  const bool is = at_ < replies_.size() && replies_[at_].is == Reply::Is::nothing;
  at_ += is ? 1 : 0;
  return is;
}

void Answer::pass_over(std::int64_t texts) {
  for (; texts > 0; --texts) next(Reply::Is::text);
}

std::size_t FeedCall::add(std::span<const std::string_view> words) {
  append_command(commands_.emplace_back(Command{.slot = slot_}).bytes, words);
  return commands_.size() - 1;
}

void FeedCall::run(Topology& topology, const Clock& clock, Deadline until) {
  answers_.assign(commands_.size(), {});
  std::size_t came = 0;
  const auto take = [&](std::size_t at, const Reply& reply, const std::string& where) {
    if (reply.is == Reply::Is::error) throw refusal(where, reply);
    Answer& answer = answers_[at];
    if (answer.replies_.empty()) {
      answer.where_ = where;
      answer.came_ = came++;
    }
    answer.replies_.push_back({reply.is, std::string(reply.text), reply.number});
  };
  // Whoever follows, and whoever hands on, knows himself when to ask again.
  Exchange(topology, Access::insist, clock, until).run(commands_, std::cref(take)).require();
}

}  // namespace querymark::redis

#include "feed_bell.hpp"

#include <algorithm>
#include <utility>

namespace querymark::redis {
namespace {

// The server answers at least this often, so one that is gone is found out.
constexpr std::chrono::milliseconds kBlock{5000};

}  // namespace

FeedBell::FeedBell(Open open, std::string key, std::string where, std::chrono::milliseconds timeout)
    : open_(std::move(open)), key_(std::move(key)), where_(std::move(where)), timeout_(timeout) {}

void FeedBell::ask() {
  const auto now = std::chrono::steady_clock::now();
  if (!connection_) {
    connection_ = open_(now + timeout_);
    last_ = "$";  // whoever has missed a ring looks unasked before long
  }
  std::string command;
  append_command(command, {"XREAD", "COUNT", "1", "BLOCK", std::to_string(kBlock.count()),
                           "STREAMS", key_, last_});
  connection_->send(command, now + timeout_);
  answer_due_ = now + kBlock + timeout_;
}

// Whether it rang; else the time that the server waits was over.
bool FeedBell::answered() {
  const auto next = [&] { return connection_->next(answer_due_); };
  const Reply head = next();
  if (head.is == Reply::Is::nothing) return false;
  const auto require = [&](const Reply& reply, Reply::Is is) {
    if (reply.is != is) throw refusal(where_, reply);
    return reply.number;
  };
  // [[key, [[id, [field, value]]]]]
  require(head, Reply::Is::list);
  require(next(), Reply::Is::list);
  require(next(), Reply::Is::text);
  require(next(), Reply::Is::list);
  require(next(), Reply::Is::list);
  const Reply id = next();
  require(id, Reply::Is::text);
  last_ = id.text;
  const Reply fields = next();
  for (std::int64_t left = require(fields, Reply::Is::list); left > 0; --left)
    require(next(), Reply::Is::text);
  return true;
}

void FeedBell::wait(std::chrono::nanoseconds timeout) {
  const auto now = std::chrono::steady_clock::now();
  const Deadline until =
      timeout < std::chrono::hours(24) ? now + timeout : now + std::chrono::hours(24);
  try {
    for (;;) {
      if (!connection_) ask();
      const bool answer = connection_->readable(wake_.fd(), std::min(until, answer_due_));
      if (answer) {
        const bool rang = answered();
        ask();
        if (rang) return;
      }
      if (wake_.take()) return;
      const auto then = std::chrono::steady_clock::now();
      if (!answer && then >= answer_due_)
        throw Error(where_ + ": no answer in time", {.retryable = true, .connection_lost = true});
      if (then >= until) return;
    }
  } catch (...) {  // goes on
    connection_.reset();
    throw;
  }
}

}  // namespace querymark::redis

#include "feed_bell.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "querymark/support/error.hpp"
#include "slots.hpp"

namespace querymark::redis {
namespace {

// The server answers at least this often, so one that is gone is found out.
constexpr std::chrono::milliseconds kBlock{5000};
// Who is sent about more often is sent in circles.
constexpr int kMostMoves = 16;

}  // namespace

FeedBell::FeedBell(std::shared_ptr<Topology> topology, std::string key, std::string where,
                   std::chrono::milliseconds timeout)
    : topology_(std::move(topology)),
      key_(std::move(key)),
      where_(std::move(where)),
      timeout_(timeout) {}

void FeedBell::connect() {
  const Deadline until = std::chrono::steady_clock::now() + timeout_;
  if (!node_) {
    const std::shared_ptr<const SlotMap> map = topology_->map(Access::insist, until);
    if (map != nullptr) node_ = map->owner_of(slot_of(key_));
    if (!node_) throw Error(where_ + ": no server has the feed's slot", {.retryable = true});
  }
  connection_ = node_->open(until);
  if (!asking_) return;
  std::string command;
  append_command(command, {"ASKING"});
  connection_->send(command, until);
  if (const Reply reply = connection_->next(until); reply.is != Reply::Is::text)
    throw refusal(where_, reply);
}

void FeedBell::ask() {
  if (!connection_) connect();
  const auto now = std::chrono::steady_clock::now();
  std::string command;
  append_command(command, {"XREAD", "COUNT", "1", "BLOCK", std::to_string(kBlock.count()),
                           "STREAMS", key_, last_});
  connection_->send(command, now + timeout_);
  answer_due_ = now + kBlock + timeout_;
}

// Another server has the stream, with all entries that this one had.
void FeedBell::follow(const Redirect& to) {
  if (++redirected_ > kMostMoves)
    throw Error(where_ + ": the cluster's servers send one to another", {.retryable = true});
  node_ = topology_->redirected(to, *node_);
  asking_ = to.once;
  connection_.reset();
}

// Whether it rang; else the time that the server waits was over.
bool FeedBell::answered() {
  const auto next = [&] { return connection_->next(answer_due_); };
  const Reply head = next();
  if (const auto to = topology_->cluster() ? redirect_in(head) : std::nullopt) {
    follow(*to);
    return false;
  }
  if (head.is == Reply::Is::nothing || head.is == Reply::Is::list) redirected_ = 0;
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
    node_.reset();
    asking_ = false;
    redirected_ = 0;
    last_ = "$";  // whoever misses a ring looks unasked before long
    topology_->doubt();
    throw;
  }
}

}  // namespace querymark::redis

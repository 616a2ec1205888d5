#include "exchange.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <utility>

#include "querymark/support/error.hpp"
#include "socket.hpp"

namespace querymark::redis {
namespace {

// A slot that moves is found at once, unless it moves on meanwhile; who is sent about more often is
// sent in circles.
constexpr int kMostTurns = 16;
constexpr std::chrono::milliseconds kLeast{20};  // for those who have been asked
constexpr const char* kFailing = "slow or failing a moment ago";

}  // namespace

/// What one server is asked, in one go.
struct Exchange::Part {
  explicit Part(std::shared_ptr<Node> asked) : node(std::move(asked)) {}
  Part(Part&&) noexcept = default;  // before it has a connection
  Part& operator=(Part&&) = delete;
  // What it answers late would be taken for the answer to another question.
  ~Part() {
    if (connection && owed) (*connection)->spoil();
  }

  std::shared_ptr<Node> node;
  std::vector<Errand> errands{};
  std::size_t done = 0;  // of the errands
  bool owed = false;     // it has not answered everything, or not as it should
  std::optional<Node::Pool::Lease> connection{};
};

Outcome Exchange::run(std::span<const Command> commands, const Take& take) {
  commands_ = commands;
  take_ = &take;
  const std::shared_ptr<const SlotMap> map = topology_.map(access_, until_);
  if (map == nullptr) {
    pass_by(commands.size(), kFailing);
    return std::move(outcome_);
  }
  std::vector<Errand> errands;
  errands.reserve(commands.size());
  for (std::size_t at = 0; at < commands.size(); ++at)
    errands.push_back({.at = at, .node = map->owner_of(commands[at].slot)});
  for (int turns = 0; !errands.empty(); ++turns) {
    if (turns == kMostTurns) {
      outcome_.lost += errands.size();
      if (!outcome_.failure)
        outcome_.failure = std::make_exception_ptr(
            Error(errands.front().node->label() + ": the cluster's servers send one to another",
                  {.retryable = true}));
      break;
    }
    turn(std::move(errands));
    errands = std::exchange(again_, {});
  }
  return std::move(outcome_);
}

void Exchange::turn(std::vector<Errand> errands) {
  std::vector<Part> parts;
  for (Errand& errand : errands) {
    if (errand.node == nullptr) {
      pass_by(1, "no server of the cluster has its slot");
      topology_.doubt();
      continue;
    }
    auto part = std::ranges::find(parts, errand.node, &Part::node);
    if (part == parts.end()) {
      parts.emplace_back(errand.node);
      part = std::prev(parts.end());
    }
    part->errands.push_back(std::move(errand));
  }
  for (Part& part : parts) send(part);
  receive(parts);
}

// Who answers first is read first: one that hangs takes no time from the others, nor does one that
// took all of it to be reached.
void Exchange::receive(std::vector<Part>& parts) {
  if (parts.size() > 1) until_ = std::max(until_, std::chrono::steady_clock::now() + kLeast);
  std::vector<Part*> asked;
  asked.reserve(parts.size());
  for (Part& part : parts)
    if (part.owed) asked.push_back(&part);
  while (!asked.empty()) {
    std::size_t first = 0;
    if (asked.size() > 1) {
      std::vector<const net::Socket*> sockets;
      sockets.reserve(asked.size());
      for (const Part* part : asked) sockets.push_back((*part->connection)->socket());
      first = net::Socket::first_to_speak(sockets, until_).value_or(0);
    }
    receive(*asked[first]);
    asked.erase(asked.begin() + static_cast<std::ptrdiff_t>(first));
  }
}

std::string_view Exchange::together(std::span<const Errand> errands) {
  if (errands.size() == 1 && !errands[0].asking) return commands_[errands[0].at].bytes;
  together_.clear();
  for (const Errand& errand : errands) {
    if (errand.asking) append_command(together_, {"ASKING"});
    together_ += commands_[errand.at].bytes;
  }
  return together_;
}

void Exchange::send(Part& part) {
  if (!part.node->allows(access_, clock_.now())) {
    pass_by(part.errands.size(), kFailing);
    topology_.doubt();  // another may have taken its place
    return;
  }
  try {
    part.connection.emplace(part.node->acquire());
    part.owed = true;
    (*part.connection)->send(together(part.errands), until_);
  } catch (const Timeout&) {  // the pool's alone: nothing has failed
    if (access_ == Access::insist) throw;
    pass_by(part.errands.size(), "all connections are in use");
  } catch (const Error& thrown) {
    fail(part, thrown);
  }
}

void Exchange::receive(Part& part) {
  Connection& connection = **part.connection;
  try {
    for (; part.done < part.errands.size(); ++part.done) {
      const Errand& errand = part.errands[part.done];
      if (errand.asking)
        if (const Reply reply = connection.next(until_); reply.is != Reply::Is::text)
          throw refusal(part.node->label(), reply);
      const Reply reply = connection.next(until_);
      const auto to = topology_.cluster() ? redirect_in(reply) : std::nullopt;
      if (to)
        redirect(*to, errand.at, *part.node);
      else
        (*take_)(errand.at, reply, part.node->label());
    }
    part.owed = false;
    part.node->succeeded(access_);
  } catch (const Error& thrown) {
    fail(part, thrown);
  }
}

void Exchange::redirect(const Redirect& to, std::size_t at, const Node& said_by) {
  ++outcome_.redirected;
  again_.push_back({.at = at, .asking = to.once, .node = topology_.redirected(to, said_by)});
}

// Of what it was asked, what it has not answered yet is lost.
void Exchange::fail(Part& part, const std::exception& thrown) {
  if (!outcome_.failure) outcome_.failure = std::current_exception();
  outcome_.lost += part.errands.size() - part.done;
  part.done = part.errands.size();
  if (part.connection) (*part.connection)->spoil();
  part.owed = false;
  part.node->failed(access_, thrown, clock_.now());
  topology_.doubt();
}

void Exchange::pass_by(std::size_t errands, const char* why) {
  outcome_.lost += errands;
  if (outcome_.passed_by == nullptr) outcome_.passed_by = why;
}

}  // namespace querymark::redis

#include "exchange.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
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

}  // namespace

/// What one server is asked, in one go.
struct Exchange::Part : net::Part<Node> {
  using net::Part<Node>::Part;
  std::vector<Errand> errands{};
};

Outcome Exchange::run(std::span<const Command> commands, const Take& take) {
  commands_ = commands;
  take_ = &take;
  const std::shared_ptr<const SlotMap> map = topology_.map(access_, until_);
  if (map == nullptr) {
    pass_by(commands.size(), "slow or failing a moment ago");
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
    ++part->due;
  }
  for (Part& part : parts)
    round_.ask(part, [&](Connection& connection, Deadline until) {
      connection.send(together(part.errands), until);
    });
  round_.hear(parts, [&](Part& part, Connection& connection, Deadline until) {
    receive(part, connection, until);
  });
  // Another may have taken its place.
  if (std::ranges::any_of(parts, &Part::suspect)) topology_.doubt();
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

void Exchange::receive(Part& part, Connection& connection, Deadline until) {
  std::exception_ptr refused;  // the first; what is refused of one says nothing of the others
  for (const Errand& errand : part.errands) {
    if (errand.asking)
      if (const Reply reply = connection.next(until); reply.is != Reply::Is::text)
        throw refusal(part.node->label(), reply);
    const Reply reply = connection.next(until);
    // A master that is one no more keeps its connections, while the address leads to the new one.
    if (reply.is == Reply::Is::error && code_of(reply) == "READONLY") part.node->drain();
    if (const auto to = topology_.cluster() ? redirect_in(reply) : std::nullopt) {
      redirect(*to, errand.at, *part.node);
    } else if (reply.is == Reply::Is::error) {
      try {
        (*take_)(errand.at, reply, part.node->label());
      } catch (const Error&) {  // its answer stays due: it is lost
        if (!refused) refused = std::current_exception();
        continue;
      }
    } else {
      (*take_)(errand.at, reply, part.node->label());
      if (reply.is == Reply::Is::list) receive_list(part, connection, until, errand, reply.number);
    }
    --part.due;
  }
  if (refused) std::rethrow_exception(refused);
}

// With the lists in it, however deep.
void Exchange::receive_list(Part& part, Connection& connection, Deadline until,
                            const Errand& errand, std::int64_t length) {
  constexpr std::int64_t kLongest = 1 << 20;
  std::int64_t seen = 0;
  for (std::int64_t left = length; left > 0; --left) {
    if (left > kLongest - seen++)
      throw Error(part.node->label() + ": a longer list than anybody asks for",
                  {.retryable = true, .connection_lost = true});
    const Reply reply = connection.next(until);
    (*take_)(errand.at, reply, part.node->label());
    if (reply.is == Reply::Is::list) left += std::min(reply.number, kLongest);
  }
}

void Exchange::redirect(const Redirect& to, std::size_t at, const Node& said_by) {
  ++outcome_.redirected;
  again_.push_back({.at = at, .asking = to.once, .node = topology_.redirected(to, said_by)});
}

void Exchange::pass_by(std::size_t errands, const char* why) {
  outcome_.lost += errands;
  if (outcome_.passed_by == nullptr) outcome_.passed_by = why;
}

}  // namespace querymark::redis

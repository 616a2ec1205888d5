#include "node.hpp"

#include <string_view>
#include <utility>

#include "querymark/support/error.hpp"

namespace querymark::redis {
namespace {

constexpr std::chrono::milliseconds kPatience{5};  // for a connection that others use

}  // namespace

Node::Node(Endpoint endpoint, const NodeOptions& options)
    : endpoint_(std::move(endpoint)),
      label_(endpoint_.label()),
      options_(options),
      resolver_(endpoint_.host, endpoint_.port),
      pool_({.limit = options.connections, .patience = kPatience, .exhausted = "busy"},
            [this] { return open(); }) {}

std::unique_ptr<Connection> Node::open() {
  options_.connects->fetch_add(1, std::memory_order_relaxed);
  return std::make_unique<Connection>(endpoint_, resolver_, options_.tls, options_.max_reply_bytes,
                                      std::chrono::steady_clock::now() + options_.timeout);
}

bool Node::allows(Access access, MonotonicTime now) noexcept {
  switch (access) {
    case Access::read:
      return reads_.allows(now);
    case Access::write:
      return writes_.allows(now);
    case Access::insist:
      break;
  }
  return true;
}

void Node::succeeded(Access access) noexcept {
  if (access == Access::read) reads_.succeeded();
  if (access == Access::write) writes_.succeeded();
}

// A server that does not answer, or is gone, fails for both kinds of calls: one caller has waited.
void Node::failed(Access access, const std::exception& thrown, MonotonicTime now) noexcept {
  // A master that is one no more keeps its connections, while the address leads to the new one.
  if (std::string_view(thrown.what()).find("READONLY") != std::string_view::npos) pool_.drain();
  if (access == Access::insist) return;
  const auto* failure = dynamic_cast<const Error*>(&thrown);
  const bool lost = failure != nullptr && failure->connection_lost();
  if (lost || access == Access::read) reads_.failed(now);
  if (lost || access == Access::write) writes_.failed(now);
}

}  // namespace querymark::redis

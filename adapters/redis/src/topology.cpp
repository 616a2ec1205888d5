#include "topology.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "querymark/support/error.hpp"
#include "slots.hpp"

// States of a cluster's map: unknown -> known -> doubted (a redirection, or a server that fails or is
// passed by) -> known. Whoever finds it unknown learns it, even if others do so, too; of those who
// find it doubted one learns it, not more often than every kPause, and the others go on with what
// there is: a redirection corrects the slot that it is about at once.

namespace querymark::redis {
namespace {

constexpr std::chrono::milliseconds kPause{200};

}  // namespace

std::shared_ptr<Node> SlotMap::owner_of(std::uint16_t slot) const noexcept {
  if (owners.empty()) return nodes.front();
  const std::uint16_t owner = owners[slot];
  return owner == kNobody ? nullptr : nodes[owner];
}

Topology::Topology(const Servers& servers, const NodeOptions& options, const Clock& clock)
    : cluster_(servers.cluster), options_(options), clock_(clock) {
  for (const Endpoint& endpoint : servers.endpoints)
    seeds_.push_back(std::make_shared<Node>(endpoint, options_));
  if (!cluster_) map_ = std::make_shared<SlotMap>(SlotMap{.nodes = {seeds_.front()}});
}

std::shared_ptr<const SlotMap> Topology::known() const {
  const MutexLock lock(mutex_);
  return map_;
}

void Topology::keep(std::shared_ptr<const SlotMap> map) {
  const MutexLock lock(mutex_);
  map_.swap(map);  // the old one goes without the lock
}

std::shared_ptr<const SlotMap> Topology::map(Access access, Deadline until) {
  std::shared_ptr<const SlotMap> map = known();
  if (!cluster_) return map;
  if (map != nullptr) {
    if (!doubted_.load(std::memory_order_relaxed)) return map;
    const std::int64_t pause = MonotonicTime::duration(kPause).count();
    if (clock_.now().time_since_epoch().count() - learned_at_.load() < pause) return map;
    if (learning_.exchange(true)) return map;
  }
  try {
    learn(map, access, until);
  } catch (...) {  // without a map it goes on
    learning_.store(false);
    if (map == nullptr) throw;
    return map;
  }
  learning_.store(false);
  return known();
}

void Topology::learn(const std::shared_ptr<const SlotMap>& before, Access access, Deadline until) {
  if (access == Access::write) access = Access::read;  // that is what it comes to
  learned_at_.store(clock_.now().time_since_epoch().count());
  doubted_.store(false);  // what is found out meanwhile counts anew
  std::vector<std::shared_ptr<Node>> candidates;
  if (before != nullptr) {
    candidates = before->nodes;
    const unsigned first = turn_.fetch_add(1) % static_cast<unsigned>(candidates.size());
    std::ranges::rotate(candidates, candidates.begin() + first);
  }
  candidates.insert(candidates.end(), seeds_.begin(), seeds_.end());
  std::exception_ptr failure;
  for (const std::shared_ptr<Node>& node : candidates) {
    if (!node->allows(access, clock_.now())) continue;
    const auto now = std::chrono::steady_clock::now();
    try {
      learn_from(*node, now + (until - now) / 2);  // the rest is for others, and for the call
      node->succeeded(access);
      return;
    } catch (const Timeout&) {  // its connections are in use
    } catch (const Error& thrown) {
      node->failed(access, thrown, clock_.now());
      failure = std::current_exception();
    }
  }
  doubt();
  if (failure) std::rethrow_exception(failure);
}

void Topology::learn_from(Node& node, Deadline until) {
  std::string command;
  append_command(command, {"CLUSTER", "NODES"});
  const Node::Pool::Lease connection = node.acquire(until);
  try {
    connection->send(command, until);
    const Reply reply = connection->next(until);
    if (reply.is == Reply::Is::error &&
        reply.text.find("cluster support disabled") != reply.text.npos)
      throw ConfigError(node.label() + " is no Redis Cluster: use redis:// or rediss://");
    if (reply.is != Reply::Is::text) throw refusal(node.label(), reply);
    const std::vector<Owner> owners = owners_in(reply.text);
    const std::shared_ptr<const SlotMap> before = known();
    SlotMap map{.owners = std::vector<std::uint16_t>(kSlots, SlotMap::kNobody)};
    for (const Owner& owner : owners) {
      Place place = owner.place;
      // A certificate is for a name.
      if (options_.tls != nullptr && !owner.hostname.empty()) place.host = owner.hostname;
      const auto index = static_cast<std::uint16_t>(map.nodes.size());
      map.nodes.push_back(node_at(endpoint_at(place, node), before.get()));
      for (const auto& [first, last] : owner.slots)
        std::fill(map.owners.begin() + first, map.owners.begin() + last + 1, index);
      if (map.nodes.size() == kSlots) break;
    }
    if (std::ranges::all_of(map.owners, [](auto at) { return at == SlotMap::kNobody; }))
      throw Error(node.label() + ": the cluster has no slots yet", {.retryable = true});
    keep(std::make_shared<const SlotMap>(std::move(map)));
  } catch (...) {  // rethrown
    connection->spoil();
    throw;
  }
}

Endpoint Topology::endpoint_at(const Place& place, const Node& said_by) const {
  Endpoint endpoint = said_by.endpoint();  // user and password are one for all
  if (!place.host.empty()) endpoint.host = place.host;
  endpoint.port = place.port;
  return endpoint;
}

// One that is known keeps its connections, and what is known of its failures.
std::shared_ptr<Node> Topology::node_at(const Endpoint& endpoint, const SlotMap* map) const {
  const auto is_there = [&](const std::shared_ptr<Node>& node) {
    return node->endpoint().host == endpoint.host && node->endpoint().port == endpoint.port;
  };
  if (map != nullptr)
    if (const auto known = std::ranges::find_if(map->nodes, is_there); known != map->nodes.end())
      return *known;
  if (const auto seed = std::ranges::find_if(seeds_, is_there); seed != seeds_.end()) return *seed;
  return std::make_shared<Node>(endpoint, options_);
}

std::shared_ptr<Node> Topology::redirected(const Redirect& to, const Node& said_by) {
  if (!to.once) doubt();  // others have moved, too, most likely
  const Endpoint endpoint = endpoint_at(to.place, said_by);
  const MutexLock lock(mutex_);
  std::shared_ptr<Node> node = node_at(endpoint, map_.get());
  if (map_ == nullptr || map_->nodes.size() >= kSlots) return node;
  auto known = std::ranges::find(map_->nodes, node);
  if (to.once && known != map_->nodes.end()) return node;
  SlotMap map = *map_;
  const auto index = static_cast<std::uint16_t>(known - map_->nodes.begin());
  if (known == map_->nodes.end()) map.nodes.push_back(node);
  if (!to.once) map.owners[to.slot] = index;
  map_ = std::make_shared<const SlotMap>(std::move(map));
  return node;
}

}  // namespace querymark::redis

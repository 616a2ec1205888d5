#include "support/redis_cluster.hpp"

#include <signal.h>

#include <chrono>
#include <set>
#include <stdexcept>

#include "slots.hpp"
#include "support/await.hpp"
#include "support/daemon.hpp"

namespace querymark::test {
namespace {

constexpr std::size_t kServers = 2 * RedisCluster::kMasters;
constexpr std::chrono::seconds kLongest{60};
constexpr std::size_t kShare = redis::kSlots / RedisCluster::kMasters + 1;

void must(const RedisServer& server, const std::vector<std::string>& words) {
  if (const std::string said = server.ask(words); said != "OK")
    throw std::runtime_error(words[0] + ' ' + words[1] + ": " + said);
}

bool says(const RedisServer& server, const std::vector<std::string>& question,
          const std::string& part) {
  return server.ask(question).find(part) != std::string::npos;
}

// What the server says of the cluster under that title.
std::string info(const RedisServer& server, const std::string& title) {
  const std::string all = server.ask({"CLUSTER", "INFO"});
  const std::size_t at = all.find(title);
  if (at == all.npos) throw std::runtime_error("CLUSTER INFO says no " + title);
  const std::size_t begin = at + title.size();
  return all.substr(begin, all.find('\r', begin) - begin);
}

}  // namespace

std::size_t RedisCluster::first_owner(std::uint16_t slot) { return slot / kShare; }

RedisCluster::RedisCluster(const RedisClusterOptions& options)
    : tls_(options.certificate.has_value()) {
  std::vector<std::string> bus_ports;
  for (std::size_t at = 0; at < kServers; ++at) {
    bus_ports.push_back(std::to_string(free_port()));
    std::vector<std::string> settings{"--cluster-enabled",
                                      "yes",
                                      "--cluster-port",
                                      bus_ports.back(),
                                      "--cluster-node-timeout",
                                      options.elects ? "1000" : "60000",
                                      "--cluster-require-full-coverage",
                                      "no",
                                      "--cluster-replica-no-failover",
                                      options.elects ? "no" : "yes",
                                      "--repl-diskless-sync-delay",
                                      "0"};
    if (tls_) {
      ports_.push_back(free_port());
      const std::vector<std::string> more{"--tls-port",
                                          std::to_string(ports_.back()),
                                          "--tls-cluster",
                                          "yes",
                                          "--tls-replication",
                                          "yes",
                                          "--tls-cert-file",
                                          options.certificate->file(),
                                          "--tls-key-file",
                                          options.certificate->key_file(),
                                          "--tls-ca-cert-file",
                                          options.certificate->file(),
                                          "--tls-auth-clients",
                                          "optional",
                                          "--cluster-announce-hostname",
                                          "localhost"};
      settings.insert(settings.end(), more.begin(), more.end());
    }
    servers_.push_back(std::make_unique<RedisServer>(std::move(settings)));
    if (!tls_) ports_.push_back(servers_.back()->port());
  }
  for (std::size_t at = 0; at < kServers; ++at) {
    const RedisServer& server = *servers_[at];
    must(server, {"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(at + 1)});
    if (at < kMasters) {
      const std::size_t last = std::min<std::size_t>((at + 1) * kShare, redis::kSlots) - 1;
      must(server, {"CLUSTER", "ADDSLOTSRANGE", std::to_string(at * kShare), std::to_string(last)});
    }
    if (at > 0)
      must(server, {"CLUSTER", "MEET", "127.0.0.1", std::to_string(ports_[0]), bus_ports[0]});
  }
  await("six servers", kLongest, [&] {
    for (const auto& server : servers_)
      if (!says(*server, {"CLUSTER", "INFO"}, "cluster_known_nodes:6")) return false;
    return true;
  });
  for (std::size_t at = kMasters; at < kServers; ++at) {
    await("a master that its replica knows", kLongest,
          [&] { return servers_[at]->ask({"CLUSTER", "REPLICATE", id(at - kMasters)}) == "OK"; });
    await("a replica that is up to date", kLongest,
          [&] { return says(*servers_[at], {"INFO", "replication"}, "master_link_status:up"); });
  }
  await_serving();
}

RedisCluster& RedisCluster::shared() {
  static RedisCluster cluster;
  return cluster;
}

void RedisCluster::await_serving() const {
  await("all slots served", kLongest, [&] {
    for (const auto& server : servers_)
      if (!says(*server, {"CLUSTER", "INFO"}, "cluster_state:ok") ||
          !says(*server, {"CLUSTER", "INFO"}, "cluster_slots_ok:16384"))
        return false;
    return true;
  });
}

void RedisCluster::await_master(std::size_t at) const {
  await("an elected master", kLongest, [&] {
    return says(*servers_[at], {"INFO", "replication"}, "role:master") &&
           says(*servers_[at], {"CLUSTER", "INFO"}, "cluster_slots_ok:16384");
  });
}

std::string RedisCluster::url() const {
  const std::string host = tls_ ? "localhost:" : "127.0.0.1:";
  return (tls_ ? "rediss" : "redis") + std::string("+cluster://") + host +
         std::to_string(ports_[1]) + ',' + host + std::to_string(ports_[0]);
}

std::string RedisCluster::id(std::size_t at) const {
  return servers_[at]->ask({"CLUSTER", "MYID"});
}

void RedisCluster::stop() const {
  for (const auto& server : servers_) server->stop(SIGKILL);
}

void RedisCluster::start() const {
  for (const auto& server : servers_) server->start();
  await_serving();
}

// Who takes a slot claims it with an epoch above all that it has heard of. Before it has heard of the
// last move, that may be one that others have claimed the slot with, and until they have agreed each
// sends clients to the next, in circles.
void RedisCluster::await_agreement() const {
  await("one epoch", kLongest, [&] {
    std::set<std::string> newest;
    for (const auto& server : servers_) newest.insert(info(*server, "cluster_current_epoch:"));
    return newest.size() == 1;
  });
}

void RedisCluster::begin_move(std::uint16_t slot, std::size_t from, std::size_t to) const {
  await_agreement();
  const std::string number = std::to_string(slot);
  must(*servers_[to], {"CLUSTER", "SETSLOT", number, "IMPORTING", id(from)});
  must(*servers_[from], {"CLUSTER", "SETSLOT", number, "MIGRATING", id(to)});
}

bool RedisCluster::move_key(const std::string& key, std::size_t from, std::size_t to) const {
  const std::string said = servers_[from]->ask(
      {"MIGRATE", "127.0.0.1", std::to_string(servers_[to]->port()), key, "0", "20000"});
  if (said != "OK" && said != "NOKEY") throw std::runtime_error("MIGRATE " + key + ": " + said);
  return said == "OK";
}

void RedisCluster::end_move(std::uint16_t slot, std::size_t from, std::size_t to) const {
  const std::string owner = id(to);
  for (const std::size_t at : {to, from})
    must(*servers_[at], {"CLUSTER", "SETSLOT", std::to_string(slot), "NODE", owner});
}

}  // namespace querymark::test

#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "querymark/file_tier/file_tier.hpp"
#include "querymark/tier/tier_group.hpp"
#include "support/shop.hpp"
#include "support/temp_dir.hpp"
#include "support/tier_double.hpp"
#ifdef QUERYMARK_TEST_MEMCACHED
#include <signal.h>

#include "querymark/memcached/memcached_tier.hpp"
#include "support/memcached_server.hpp"
#endif
#ifdef QUERYMARK_TEST_REDIS
#include <signal.h>

#include "querymark/redis/redis_tier.hpp"
#include "slots.hpp"
#include "support/redis_cluster.hpp"
#include "support/redis_server.hpp"
#endif

namespace querymark::test {

/// A place for values, and what differs between the tiers in a test that runs on all of them. Values
/// may take 20,000 bytes; time is `clock`'s, pauses after a failure included.
struct DoubleWorld {
  [[nodiscard]] std::shared_ptr<SharedTier> open() const {
    return std::make_shared<TierDouble>(server, clock, 20'000);
  }
  /// Overwrites the bytes that a tier has kept under the name.
  void corrupt(const std::string& namespace_name, const Digest& under,
               const std::string& bytes) const {
    server->values.at({namespace_name, under}) = bytes;
  }
  void break_it() const { server->down = true; }
  void mend() const { server->down = false; }

  ManualClock clock;
  std::shared_ptr<TierDoubleServer> server = std::make_shared<TierDoubleServer>();
};

inline std::shared_ptr<const ValueCodec> sealed_values() {
  return std::make_shared<ValueCodec>(
      ValueCodecOptions{.keys = SealingKeys::parsed("test " + std::string(64, '7'))});
}

struct FileWorld {
  [[nodiscard]] std::shared_ptr<SharedTier> open() const {
    return std::make_shared<FileTier>(dir.file("tier"),
                                      FileTierOptions{.max_bytes = 64U << 20U,
                                                      .max_entry_bytes = 20'000,
                                                      .codec = codec,
                                                      .busy_timeout = std::chrono::seconds(30),
                                                      .clock = &clock});
  }
  void corrupt(const std::string& namespace_name, const Digest& under,
               const std::string& bytes) const {
    SQLite::Database raw(dir.file("tier"), SQLite::OPEN_READWRITE);
    SQLite::Statement update(
        raw, "update querymark_tier_entry set value = ? where name = ? and namespace = ?");
    update.bind(1, bytes.data(), static_cast<int>(bytes.size()));
    update.bind(2, under.view().data(), static_cast<int>(under.view().size()));
    update.bind(3, namespace_name);
    update.exec();
  }
  /// Something else lies where the file was.
  void break_it() const {
    for (const char* suffix : {"", "-wal", "-shm"})
      std::filesystem::remove(dir.file("tier") + suffix);
    std::ofstream(dir.file("tier")) << std::string(10'000, 'x');
  }
  void mend() const { std::filesystem::remove(dir.file("tier")); }

  ManualClock clock;
  TempDir dir;
  std::shared_ptr<const ValueCodec> codec = plain_values();
};

struct SealedFileWorld : FileWorld {
  SealedFileWorld() { codec = sealed_values(); }
};

#ifdef QUERYMARK_TEST_REDIS
struct RedisWorld {
  [[nodiscard]] std::shared_ptr<SharedTier> open() const {
    return std::make_shared<RedisTier>(server.url(),
                                       RedisTierOptions{.timeout = std::chrono::seconds(30),
                                                        .max_value_bytes = 20'000,
                                                        .codec = codec,
                                                        .clock = &clock});
  }
  /// Epoch and horizon, which stand before the value, are left as they are.
  void corrupt(const std::string& namespace_name, const Digest& under,
               const std::string& bytes) const {
    const std::string key = "qm:3:" + namespace_name + ':' + under.hex();
    const std::string order = server.ask({"GETRANGE", key, "0", "23"});
    static_cast<void>(server.ask({"SET", key, order + bytes}));
  }
  void break_it() { server.stop(SIGKILL); }
  void mend() { server.start(); }

  ManualClock clock;
  RedisServer server;
  std::shared_ptr<const ValueCodec> codec = plain_values();
};

struct SealedRedisWorld : RedisWorld {
  SealedRedisWorld() { codec = sealed_values(); }
};

struct RedisClusterWorld {
  RedisClusterWorld() {
    for (std::size_t at = 0; at < RedisCluster::kMasters; ++at) cluster[at].ask({"FLUSHALL"});
  }
  [[nodiscard]] std::shared_ptr<SharedTier> open() const {
    return std::make_shared<RedisTier>(
        cluster.url(),
        RedisTierOptions{
            .timeout = std::chrono::seconds(30), .max_value_bytes = 20'000, .clock = &clock});
  }
  void corrupt(const std::string& namespace_name, const Digest& under,
               const std::string& bytes) const {
    const std::string key = "qm:3:" + namespace_name + ':' + under.hex();
    const RedisServer& server = cluster[RedisCluster::first_owner(redis::slot_of(key))];
    const std::string order = server.ask({"GETRANGE", key, "0", "23"});
    static_cast<void>(server.ask({"SET", key, order + bytes}));
  }
  void break_it() const { cluster.stop(); }
  void mend() const { cluster.start(); }

  ManualClock clock;
  const RedisCluster& cluster = RedisCluster::shared();
  std::shared_ptr<const ValueCodec> codec = plain_values();
};
#endif

#ifdef QUERYMARK_TEST_MEMCACHED
/// Two servers, of which each has some of the names.
struct MemcachedWorld {
  [[nodiscard]] std::shared_ptr<SharedTier> open() const {
    return std::make_shared<MemcachedTier>(first.url() + ',' + second.url(),
                                           MemcachedTierOptions{.timeout = std::chrono::seconds(30),
                                                                .max_value_bytes = 20'000,
                                                                .codec = codec,
                                                                .clock = &clock});
  }
  /// Epoch and horizon, which stand before the value, are left as they are.
  void corrupt(const std::string& namespace_name, const Digest& under,
               const std::string& bytes) const {
    const std::string key = memcached_key(namespace_name, under);
    const std::string order = (first.held(key) + second.held(key)).substr(0, 24);
    for (const MemcachedServer* server : {&first, &second})
      if (!server->held(key).empty()) server->store(key, order + bytes);
  }
  void break_it() {
    first.stop(SIGKILL);
    second.stop(SIGKILL);
  }
  void mend() {
    first.start();
    second.start();
  }

  ManualClock clock;
  MemcachedServer first;
  MemcachedServer second;
  std::shared_ptr<const ValueCodec> codec = plain_values();
};

struct SealedMemcachedWorld : MemcachedWorld {
  SealedMemcachedWorld() { codec = sealed_values(); }
};
#endif

/// A double and a file in a group, in a group with another double: what a tier promises, a group of
/// them does.
template <TierReads kReads, TierWrites kWrites>
struct GroupWorld {
  static constexpr TierGroupOptions kOptions{
      .reads = kReads, .writes = kWrites, .hedge_delay = std::chrono::hours(1)};

  [[nodiscard]] std::shared_ptr<SharedTier> open() const {
    const auto inner =
        std::make_shared<TierGroup>("inner", kOptions, file.open(), another("second", second));
    return std::make_shared<TierGroup>("outer", kOptions, another("first", first), inner);
  }
  void corrupt(const std::string& namespace_name, const Digest& under,
               const std::string& bytes) const {
    first->values.at({namespace_name, under}) = bytes;
    second->values.at({namespace_name, under}) = bytes;
    file.corrupt(namespace_name, under, bytes);
  }
  void break_it() const {
    first->down = second->down = true;
    file.break_it();
  }
  void mend() {
    first->down = second->down = false;
    file.mend();
  }
  [[nodiscard]] std::shared_ptr<SharedTier> another(
      const char* label, const std::shared_ptr<TierDoubleServer>& server) const {
    return std::make_shared<TierDouble>(server, clock, 20'000, label);
  }

  FileWorld file;
  ManualClock& clock = file.clock;
  std::shared_ptr<TierDoubleServer> first = std::make_shared<TierDoubleServer>();
  std::shared_ptr<TierDoubleServer> second = std::make_shared<TierDoubleServer>();
};
/// Copies that a world's tier holds of each value.
template <class World>
inline constexpr std::size_t kCopies = 1;
template <TierReads kReads, TierWrites kWrites>
inline constexpr std::size_t kCopies<GroupWorld<kReads, kWrites>> = 3;

using SequentialGroup = GroupWorld<TierReads::sequential, TierWrites::sequential>;
using ParallelGroup = GroupWorld<TierReads::parallel, TierWrites::parallel>;
using HedgedGroup = GroupWorld<TierReads::hedged, TierWrites::parallel>;

}  // namespace querymark::test

#define QUERYMARK_GROUPS \
  querymark::test::SequentialGroup, querymark::test::ParallelGroup, querymark::test::HedgedGroup

#ifdef QUERYMARK_TEST_REDIS
#define QUERYMARK_REDIS_TIERS                                       \
  , querymark::test::RedisWorld, querymark::test::SealedRedisWorld, \
      querymark::test::RedisClusterWorld
#else
#define QUERYMARK_REDIS_TIERS
#endif
#ifdef QUERYMARK_TEST_MEMCACHED
#define QUERYMARK_MEMCACHED_TIERS \
  , querymark::test::MemcachedWorld, querymark::test::SealedMemcachedWorld
#else
#define QUERYMARK_MEMCACHED_TIERS
#endif
#define QUERYMARK_TIERS                                                                       \
  querymark::test::DoubleWorld, querymark::test::FileWorld, querymark::test::SealedFileWorld, \
      QUERYMARK_GROUPS QUERYMARK_REDIS_TIERS QUERYMARK_MEMCACHED_TIERS

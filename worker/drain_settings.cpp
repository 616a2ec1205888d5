#include "drain_settings.hpp"

#include <algorithm>

#include "database_option.hpp"
#include "metrics_server.hpp"
#include "querymark/key/tracked.hpp"
#include "querymark/support/error.hpp"
#include "toml_reader.hpp"

namespace querymark::cli {
namespace {

using namespace std::chrono_literals;

// The keys that stand for all drains at the top, or in a [[drain]] for itself.
void read_drain(TomlReader& table, DrainSettings& drain) {
  table.read("db", drain.db);
  std::string file;
  if (table.read("db_file", file)) drain.db = url_in_file(file);
  table.read("namespace", drain.namespace_name);
  table.read("target", drain.target);
  if (table.read("feed_keys", file)) {
    try {
      drain.feed_keys = FeedKeys::in_file(file);
    } catch (const ConfigError& failure) {
      throw ConfigError(table.place("feed_keys") + failure.what());
    }
  }
  table.read("lease", drain.lease, 100ms);
  table.read("poll", drain.poll, 1ms);
  std::chrono::milliseconds ttl{};
  if (table.read("largest_ttl", ttl, 1s)) drain.largest_ttl = ttl;
  table.read("page_size", drain.page_size);
  table.read("flush_on_death", drain.flush_on_death);
  table.read_table("retry", [&](TomlReader& retry) {
    retry.read("start", drain.retry_start, 1ms);
    retry.read("factor", drain.retry_factor);
    retry.read("cap", drain.retry_cap, 1ms);
    retry.read("attempts", drain.attempts);
    retry.read("deadline_margin", drain.deadline_margin);
  });
  table.read_table("prune", [&](TomlReader& prune) {
    prune.read("enabled", drain.prune);
    prune.read("retention", drain.retention);
    prune.read("most_rows", drain.most_rows);
    prune.read("chunk", drain.prune_chunk);
    prune.read("interval", drain.prune_interval, 1s);
  });
}

template <class Check>
void require(const std::string& place, const Check& check) {
  try {
    check();
  } catch (const ConfigError& failure) {
    throw ConfigError(place + failure.what());
  }
}

}  // namespace

FeedKeys FeedKeys::in_file(const std::string& path) { return {SealingKeys::from_file(path)}; }

void DrainSettings::require_sane() const {
  if (namespace_name == kTrackedNamespace)
    throw ConfigError(
        "the namespace can't be *: what triggers report stands there, for all others");
  if (lease > kLongestLease) throw ConfigError("a lease is at most an hour");
  if (page_size == 0 || page_size > 1'000'000) throw ConfigError("page_size is 1 to 1000000");
  if (attempts > 1'000'000'000) throw ConfigError("attempts are at most 1000000000; 0: no limit");
  if (!(retry_factor >= 1) || retry_factor > 1000) throw ConfigError("retry.factor is 1 to 1000");
  if (prune_chunk == 0 || prune_chunk > 1'000'000) throw ConfigError("prune.chunk is 1 to 1000000");
  worker_options().retry.require_sane();
}

WorkerOptions DrainSettings::worker_options() const {
  WorkerOptions options;
  options.lease = lease;
  options.poll_interval = poll;
  if (largest_ttl) options.largest_ttl = *largest_ttl;
  options.page_size = page_size;
  options.on_death = flush_on_death ? OnDeath::flush : OnDeath::nothing;
  options.retry.start = retry_start;
  options.retry.factor = retry_factor;
  options.retry.cap = retry_cap;
  options.retry.max_attempts = static_cast<unsigned>(attempts);
  options.retry.deadline_margin = deadline_margin;
  return options;
}

PrunerOptions DrainSettings::pruner_options() const {
  PrunerOptions options;
  options.retention = std::max(retention, largest_ttl.value_or(0ms));
  options.most_rows = most_rows;
  options.chunk = prune_chunk;
  options.interval = prune_interval;
  return options;
}

WorkerConfig read_config(const std::string& path) {
  const toml::table file = read_toml(path);
  TomlReader table(file, path);
  WorkerConfig config;
  table.read("json", config.json);
  if (table.read("metrics", config.metrics))
    require(table.place("metrics"), [&] { check_metrics_address(config.metrics); });
  DrainSettings all;
  read_drain(table, all);
  const bool several = table.read_tables("drain", [&](TomlReader& each) {
    DrainSettings drain = all;
    read_drain(each, drain);
    require(each.place(), [&] { drain.require_sane(); });
    for (const DrainSettings& other : config.drains)
      if (drain.same_as(other))
        throw ConfigError(each.place() + "another [[drain]] has the same db, namespace and target");
    config.drains.push_back(std::move(drain));
  });
  table.require_known();
  if (!several) {
    require(table.place(), [&] { all.require_sane(); });
    config.drains.push_back(std::move(all));
  }
  return config;
}

}  // namespace querymark::cli

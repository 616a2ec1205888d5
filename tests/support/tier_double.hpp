#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "querymark/support/error.hpp"
#include "querymark/tier/shared_tier.hpp"
#include "support/plain_codec.hpp"

namespace querymark::test {

/// What several TierDoubles share, as processes share a server; and how a test makes it fail.
struct TierDoubleServer {
  std::mutex mutex;  // guards all below
  std::map<std::pair<std::string, Digest>, std::string> values;
  std::map<std::pair<std::string, Digest>, std::string> leases;  // whose; none ends by itself
  bool down = false;
};

/// A shared tier in memory that does what every tier promises and no more.
class TierDouble final : public SharedTier {
 public:
  TierDouble(std::shared_ptr<TierDoubleServer> server, const Clock& clock, std::size_t max_bytes,
             std::string label = "double")
      : server_(std::move(server)),
        clock_(clock),
        max_bytes_(max_bytes),
        label_(std::move(label)) {}

  [[nodiscard]] std::string_view label() const noexcept override { return label_; }
  [[nodiscard]] TierLimits limits() const noexcept override {
    return {.max_value_bytes = max_bytes_, .deadline = std::chrono::milliseconds(0)};
  }
  [[nodiscard]] std::optional<TierFailure> read(std::string_view namespace_name,
                                                std::span<TierRead> wanted) noexcept override {
    const std::scoped_lock lock(server_->mutex);
    if (server_->down) return TierFailure{.cause = "down"};
    for (TierRead& one : wanted) one.value = held(namespace_name, one.name);
    return std::nullopt;
  }
  StoreStatus put(std::string_view namespace_name, const Digest& name,
                  const SharedValue& value) noexcept override {
    const std::scoped_lock lock(server_->mutex);
    if (server_->down) return StoreStatus::failed;
    std::string encoded = test::encoded({namespace_name, name}, value);
    if (encoded.size() > max_bytes_) return StoreStatus::oversize;
    if (value.expires <= clock_.wall_now()) return StoreStatus::expired;
    const auto old = held(namespace_name, name);
    if (old && old->stamp.epoch == value.stamp.epoch && old->stamp.horizon > value.stamp.horizon)
      return StoreStatus::superseded;
    server_->values.insert_or_assign({std::string(namespace_name), name}, std::move(encoded));
    return StoreStatus::stored;
  }
  std::size_t remove(std::string_view namespace_name, std::span<const Digest> names) override {
    const std::scoped_lock lock(server_->mutex);
    if (server_->down) throw Error("down", {.connection_lost = true});
    std::size_t removed = 0;
    for (const Digest& name : names)
      removed += server_->values.erase({std::string(namespace_name), name});
    return removed;
  }
  [[nodiscard]] bool grants_leases() const noexcept override { return true; }
  [[nodiscard]] LeaseAnswer lease(std::string_view namespace_name, const Digest& name,
                                  std::string_view token,
                                  std::chrono::milliseconds /*longest*/) noexcept override {
    const std::scoped_lock lock(server_->mutex);
    if (server_->down) return LeaseAnswer::failed;
    const auto [at, made] = server_->leases.try_emplace({std::string(namespace_name), name}, token);
    return made || at->second == token ? LeaseAnswer::granted : LeaseAnswer::taken;
  }
  void release(std::string_view namespace_name, const Digest& name,
               std::string_view token) noexcept override {
    const std::scoped_lock lock(server_->mutex);
    const auto at = server_->leases.find({std::string(namespace_name), name});
    if (at != server_->leases.end() && at->second == token) server_->leases.erase(at);
  }
  [[nodiscard]] bool names_newest() const noexcept override { return true; }
  [[nodiscard]] std::optional<SharedStamp> newest(Epoch epoch) const override {
    const std::scoped_lock lock(server_->mutex);
    std::optional<SharedStamp> newest;
    for (const auto& [under, encoded] : server_->values) {
      const auto value = test::decoded({under.first, under.second}, encoded);
      if (value && value->stamp.epoch == epoch &&
          (!newest || newest->horizon < value->stamp.horizon))
        newest = value->stamp;
    }
    return newest;
  }

 private:
  [[nodiscard]] std::optional<SharedValue> held(std::string_view namespace_name,
                                                const Digest& name) const {
    const auto found = server_->values.find({std::string(namespace_name), name});
    if (found == server_->values.end()) return std::nullopt;
    auto value = test::decoded({namespace_name, name}, found->second);
    return value && value->expires > clock_.wall_now() ? value : std::nullopt;
  }

  std::shared_ptr<TierDoubleServer> server_;
  const Clock& clock_;
  std::size_t max_bytes_;
  std::string label_;
};

}  // namespace querymark::test

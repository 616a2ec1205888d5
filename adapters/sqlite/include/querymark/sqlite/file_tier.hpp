#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "querymark/log/applier.hpp"
#include "querymark/tier/shared_tier.hpp"

namespace querymark::sqlite {

struct FileTierOptions {
  /// Bound on what the entries take, with their keys and targets. The oldest go first.
  std::size_t max_bytes = 256U << 20U;
  /// Largest single value; zero: an eighth of `max_bytes`.
  std::size_t max_entry_bytes = 0;
  /// Longest wait for another process's write.
  std::chrono::milliseconds busy_timeout{100};
};

struct FileTierStats {
  std::uint64_t reads = 0, hits = 0;
  std::uint64_t corrupt = 0;   ///< Values that did not decode: counted misses.
  std::uint64_t failures = 0;  ///< Reads and writes that the file refused: misses and losses.
  std::uint64_t stored = 0, evicted = 0;
  std::size_t entries = 0, bytes = 0;
};

/// A shared tier for the processes of one host: a SQLite file of encoded result sets under their
/// SHA-256 names. It survives restarts. Readers judge what they find by their own marks, so the
/// file need not be coherent; the worker's invalidations keep it small and honest.
///
/// Thread-safe; one connection, one mutex. Movable; a moved-from tier may only be destroyed.
class FileTier final : public SharedTier {
 public:
  /// Opens or creates the file. Throws ConfigError when it is something else (nothing of it is
  /// touched), SchemaError when a newer library made it, Error when it can't be opened.
  explicit FileTier(const std::string& path, FileTierOptions options = {});
  FileTier(FileTier&&) noexcept;
  FileTier& operator=(FileTier&&) noexcept;
  ~FileTier() override;

  [[nodiscard]] std::string_view label() const noexcept override;
  [[nodiscard]] std::optional<SharedValue> get(const Digest& name) noexcept override;
  StoreStatus put(std::string_view space, const Digest& name,
                  const SharedValue& value) noexcept override;

  /// Removes what the invalidations hit in `space`, in one transaction. Throws Error.
  void invalidate(std::string_view space, Epoch epoch,
                  std::span<const SharedInvalidation> invalidations);
  /// The latest stamp among the values of `epoch`, if any. Throws Error.
  [[nodiscard]] std::optional<SharedStamp> newest(Epoch epoch) const;
  /// Absolute path: the tier's identity on this host.
  [[nodiscard]] const std::string& path() const noexcept;
  [[nodiscard]] FileTierStats stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A file tier as the worker's target: the invalidations of one namespace.
class FileTierApplier final : public Applier {
 public:
  FileTierApplier(FileTier& tier, std::string space) : tier_(tier), space_(std::move(space)) {}
  [[nodiscard]] std::string name() const override { return "sqlite:" + tier_.path(); }
  void apply(Epoch epoch, std::span<const SharedInvalidation> invalidations) override {
    tier_.invalidate(space_, epoch, invalidations);
  }

 private:
  FileTier& tier_;
  std::string space_;
};

}  // namespace querymark::sqlite

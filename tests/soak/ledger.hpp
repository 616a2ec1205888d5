#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soak/floors.hpp"

namespace querymark::test::soak {

/// A clock that all processes of a machine share.
using Instant = std::chrono::steady_clock::time_point;

/// A text in shared memory: the first that is put there stays.
template <std::size_t Size>
class OneText {
 public:
  void put(std::string_view text) {
    if (taken_.exchange(true)) return;
    text.copy(text_.data(), Size - 1);  // the rest is zeros
    whole_.store(true);
  }
  [[nodiscard]] std::string str() const { return whole_.load() ? text_.data() : ""; }

 private:
  std::atomic<bool> taken_{false};
  std::atomic<bool> whole_{false};
  std::array<char, Size> text_{};
};

/// How often something was done.
struct Tally {
  std::array<char, 32> name{};
  std::atomic<std::uint64_t> done{0};
  std::atomic<std::uint64_t> stale{0};
  std::atomic<std::uint64_t> late{0};
  std::atomic<std::uint64_t> failed{0};  // with an error that troubles explain
  OneText<200> first_failure;
};

/// Receipts are left at, and taken from, so many places.
inline constexpr std::int64_t kPlacesOfReceipts = 128;

/// A write that somebody else may read at least, by its receipt.
struct LeftReceipt {
  std::string receipt;
  std::int64_t id = 0;
  std::int64_t version = 0;
};

/// What all processes of a soak know together: a file that each of them maps. Any of them may be killed at any
/// moment, and leaves it usable.
class Ledger {
 public:
  /// A new one, in place of what is there.
  [[nodiscard]] static Ledger create(const std::string& path);
  /// One that another process has made.
  explicit Ledger(const std::string& path);
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;
  ~Ledger();

  /// Called when the commit that made a row's value `version` has returned.
  void acknowledge(Table table, std::int64_t id, std::int64_t version);
  /// What has been acknowledged so far.
  [[nodiscard]] const Floors& acknowledged() const;
  /// When it was acknowledged that a row is beyond `version`; at the latest, and nothing if that is not
  /// known (any more).
  [[nodiscard]] std::optional<Instant> passed(Table table, std::int64_t id,
                                              std::int64_t version) const;

  /// Every process has been told that a row is `version` at least: a wait for all of them was satisfied.
  void spread(Table table, std::int64_t id, std::int64_t version);
  [[nodiscard]] const Floors& spread() const;

  /// Leaves a receipt of a write to `item` at one of the places for them, unless somebody is there.
  void leave(std::size_t place, const LeftReceipt& left);
  /// One that was left there, if there is any.
  [[nodiscard]] std::optional<LeftReceipt> left(std::size_t place) const;

  /// The tally of that name, which is made if nobody has it.
  [[nodiscard]] Tally& tally(std::string_view name);
  [[nodiscard]] std::span<const Tally> tallies() const;

  /// Something that must not be.
  void found(std::string_view what);
  [[nodiscard]] std::uint64_t findings() const;
  /// The first ones.
  [[nodiscard]] std::vector<std::string> first_findings() const;

  /// All processes are to end.
  void end();
  [[nodiscard]] bool over() const;

 private:
  struct Pages;
  explicit Ledger(int file);
  int file_;
  Pages* pages_;
};

}  // namespace querymark::test::soak

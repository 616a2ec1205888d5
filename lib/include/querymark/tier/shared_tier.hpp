#pragma once  // For writers of ports.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/key/target.hpp"
#include "querymark/mark/stamp.hpp"
#include "querymark/result/result_set.hpp"
#include "querymark/support/clock.hpp"
#include "querymark/support/digest.hpp"
#include "querymark/support/store_status.hpp"

namespace querymark {

/// What a shared tier holds under a name. Nobody vouches for it: the reader judges it by its own
/// marks.
struct SharedValue {
  SharedStamp stamp{};
  WallTime stored{};
  WallTime expires{};
  std::vector<Target> targets{};
  ResultSet rows{};
};

/// Under what a shared tier holds a value.
struct SharedName {
  std::string_view namespace_name;  ///< The namespace whose flush removes the value.
  Digest name;
};

class SharedTier;

/// What only a reader can tell of a value: whether it would take it, by its marks, its time to live
/// and its clock. For tiers that choose between several values under one name; who has one hands
/// that out unasked, since the reader judges what it is given in any case.
class TierJudge {
 public:
  /// Whether to look no further. Called on any thread, on one at a time, and only until the read has
  /// returned.
  [[nodiscard]] virtual bool takes(const SharedValue& value) noexcept = 0;

 protected:
  ~TierJudge() = default;
};

/// A tier that answered in vain for what was found elsewhere, and wants a copy.
struct TierRefill {
  SharedTier* tier = nullptr;  ///< Lives as long as the tier that was read.
  /// The copy expires no later than this long after it was made.
  std::chrono::milliseconds longest = std::chrono::milliseconds::max();
};

/// One name of a read, and what was found under it; nothing: a miss.
struct TierRead {
  Digest name{};
  std::optional<SharedValue> value{};
  TierJudge* judge = nullptr;  ///< Null: any value is good enough.
  /// Whom to offer the value, in this order, once it has been taken: what the reader refuses is
  /// copied nowhere. Set with the value, by tiers that have several places for it.
  std::vector<TierRefill> refills{};
};

/// One value of several that are kept together, and what became of it.
struct TierPut {
  Digest name{};
  const SharedValue* value = nullptr;  ///< The caller's.
  StoreStatus status = StoreStatus::failed;
};

/// Why a tier gave no answer: never to be taken for a miss by whoever must know that nothing is
/// there.
struct TierFailure {
  bool tried = true;  ///< False: it was passed by, because it had failed or been busy a moment ago.
  std::string cause{};  ///< For operators. No passwords.
};

/// What a tier says to who asks for the lease of a name.
enum class LeaseAnswer : std::uint8_t {
  granted,
  taken,   ///< Somebody else has it.
  failed,  ///< Nobody knows.
};

/// What a tier takes.
struct TierLimits {
  /// Largest value, encoded.
  std::size_t max_value_bytes = std::numeric_limits<std::size_t>::max();
  /// Longest time that a read or a put takes.
  std::chrono::milliseconds deadline = std::chrono::milliseconds::max();
};

/// A place for values outside the process, shared by several: a file, a server that many hosts
/// reach. Thread-safe.
///
/// Who trusts whom. The tier trusts nobody: names and namespace stand in each value, and bytes that
/// are not what was stored under them are a counted miss. The reader trusts no tier: it judges each
/// value by the stamp that came with it and by its own marks, so a tier may lose values, bring back
/// old ones, or be older as a whole than it was, and costs misses alone. Stamp, time of storing and
/// expiry travel unchanged from tier to tier; a copy may expire sooner.
///
/// What only the stamps can't tell is a database that was put back to an earlier state while nobody
/// watched: positions that were given out twice. A tier either names its newest stamp
/// (`names_newest`), which is looked at when it is attached; or whoever reads a value of a database
/// whose stamps have a witness has that checked by the database, value by value.
///
/// A miss is a value, a failure is told apart, and neither throws: a read of a tier that is down,
/// full or corrupt gives a TierFailure, a put StoreStatus::failed, and both are counted. What must
/// never fail silently, `remove` (and the worker's `Applier`), throws unless all of it is done.
///
/// Neither read nor put may hold up its callers for long, however slow the tier is: each ends by a
/// deadline of the tier's own, nobody waits for another caller's call, and a tier that has just
/// failed or overrun its deadline is passed by at once for a while (`Breaker`). A miss costs a load;
/// waiting costs everybody.
class SharedTier {
 public:
  virtual ~SharedTier() = default;
  [[nodiscard]] virtual std::string_view label() const noexcept = 0;
  [[nodiscard]] virtual TierLimits limits() const noexcept { return {}; }

  /// Looks for each name and sets what was found; however many, by as many round trips as one needs.
  /// Requires that no value is set. After a failure some may be.
  [[nodiscard]] virtual std::optional<TierFailure> read(std::string_view namespace_name,
                                                        std::span<TierRead> wanted) noexcept = 0;
  /// The one value under the name; a failure is as good as a miss.
  [[nodiscard]] std::optional<SharedValue> get(std::string_view namespace_name,
                                               const Digest& name) noexcept;
  /// Keeps the value until it expires, unless it holds one under the same name whose stamp is later
  /// in the same epoch. `namespace_name` is the namespace whose flush removes it.
  virtual StoreStatus put(std::string_view namespace_name, const Digest& name,
                          const SharedValue& value) noexcept = 0;
  /// `put` for each of some values with different names, and sets what became of it: by fewer round trips, or
  /// transactions, where the tier knows how. What it refuses of one concerns no other; a failure may.
  virtual void put_many(std::string_view namespace_name, std::span<TierPut> values) noexcept {
    for (TierPut& one : values) one.status = put(namespace_name, one.name, *one.value);
  }
  /// Removes what it holds under these names, and returns how many there were. Blocks on I/O. Throws
  /// Error when it is not certain that none is left.
  virtual std::size_t remove(std::string_view namespace_name, std::span<const Digest> names) = 0;

  /// Whether it grants leases. Never changes.
  [[nodiscard]] virtual bool grants_leases() const noexcept { return false; }
  /// The lease of a name, for who bears the token, until it is given back or `longest` has passed,
  /// unless somebody else has it. It tells processes which of them loads what all of them lack, and
  /// guards nothing else: one that is lost, or granted twice, costs a load. Blocks as `read` does.
  [[nodiscard]] virtual LeaseAnswer lease(std::string_view namespace_name, const Digest& name,
                                          std::string_view token,
                                          std::chrono::milliseconds longest) noexcept {
    static_cast<void>(namespace_name), static_cast<void>(name), static_cast<void>(token),
        static_cast<void>(longest);
    return LeaseAnswer::failed;
  }
  /// Gives it back, if the token still bears it. One that can't be given back ends by itself.
  virtual void release(std::string_view namespace_name, const Digest& name,
                       std::string_view token) noexcept {
    static_cast<void>(namespace_name), static_cast<void>(name), static_cast<void>(token);
  }

  /// Whether `newest` answers for all that the tier holds. Never changes.
  [[nodiscard]] virtual bool names_newest() const noexcept { return false; }
  /// The newest stamp of the epoch among what the tier holds from before, if there is one: by it a
  /// database can tell that it was rewound while nobody watched. Blocks on I/O. Throws Error.
  [[nodiscard]] virtual std::optional<SharedStamp> newest(Epoch epoch) const {
    static_cast<void>(epoch);
    return std::nullopt;
  }
};

}  // namespace querymark

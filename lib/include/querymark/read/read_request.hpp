#pragma once  // For writers of ports.

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "querymark/key/key.hpp"
#include "querymark/mark/stamp.hpp"
#include "querymark/memory/entry.hpp"
#include "querymark/read/outcome.hpp"
#include "querymark/read/read_options.hpp"
#include "querymark/result/result_set.hpp"

namespace querymark {

/// What a load brought.
struct Loaded {
  EntryRef entry;
  /// What shared tiers may keep. Nothing for values that only this process understands.
  std::optional<ResultSet> rows;
  /// Set when the load ran in a snapshot that may be older than the call: what that snapshot
  /// includes.
  std::optional<SharedStamp> snapshot;
  /// Anything but `yes`: the value must not be kept, and why.
  Stored keep = Stored::yes;
  /// What its rows imply beyond what the request declares; the entry carries them.
  std::vector<Target> implied{};
  /// The snapshot is a replica's: see LoadedRows.
  bool replica = false;
};

class ReadRequest;

/// One of several loads that are done together, and what it came to: what was loaded, or why nothing can
/// be made of it.
struct LoadTogether {
  ReadRequest* request;
  const EntryInit* init;
};
using LoadAnswer = std::variant<Loaded, std::exception_ptr>;

/// One read that memory could not serve, as the read path sees it: how to key, tag, load and build
/// the value. Lives on the caller's stack for the length of the call.
class ReadRequest {
 public:
  ReadRequest(const ReadRequest&) = delete;
  ReadRequest& operator=(const ReadRequest&) = delete;
  virtual ~ReadRequest() = default;

  /// Appends the targets that its options do not name, such as those made from the parameters; the
  /// key's own comes on top. Called once, when memory has not served the read; see keyed_targets.
  virtual void add_targets(std::vector<Target>& /*targets*/) const {}
  /// Where nobody declares its tags: whether those are known that can make it stale. Nothing: the
  /// database has to be asked, see `analyse`. Anything but `yes`: it must not be kept, and why.
  [[nodiscard]] virtual std::optional<Stored> standing() const { return Stored::yes; }
  /// Asks the database. Blocks. Throws Error.
  virtual void analyse() {}
  /// Where it depends on more than anybody reports: how old a value may be that the read takes, from wherever.
  /// Known once `standing` is.
  [[nodiscard]] virtual std::optional<std::chrono::nanoseconds> unverified_for() const {
    return std::nullopt;
  }
  /// What speaks against keeping it, for people; known once `standing` is. It lives as long as the process.
  [[nodiscard]] virtual std::string_view why() const { return {}; }
  /// What the policy says of it before anything is asked. Throws what the policy throws.
  [[nodiscard]] virtual bool wanted() const { return true; }
  /// The same on its own feet, for a load that the call does not wait for, of all these targets. Null: it
  /// can't outlive its call. Throws std::bad_alloc.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): it is taken
  [[nodiscard]] virtual std::unique_ptr<ReadRequest> detached(std::vector<Target> /*of*/) const {
    return nullptr;
  }
  /// Asks the database and makes the entry. Blocks. Throws what the caller shall see.
  virtual Loaded load(const EntryInit& init) = 0;
  /// Loads for several requests of one query, this one among them: by one statement where that can be.
  /// Answers each, in their order. Blocks. Throws what concerns them all.
  [[nodiscard]] virtual std::vector<LoadAnswer> load_together(std::span<const LoadTogether> wanted);
  /// Whether that is one statement.
  [[nodiscard]] virtual bool loads_together() const noexcept { return false; }
  /// Makes the entry from what a shared tier holds. Throws TypeError when the rows do not fit.
  [[nodiscard]] virtual EntryRef materialize(const ResultSet& rows,
                                             const EntryInit& init) const = 0;

  /// What the database says that it reads, whoever declares its tags. Blocks. Throws Error. Nothing: no database knows.
  [[nodiscard]] virtual std::optional<Analysis> reads() const { return std::nullopt; }
  /// Whether two entries of this request's kind hold the same. Nothing: their type can't be compared.
  [[nodiscard]] virtual std::optional<bool> same(const Entry& /*a*/, const Entry& /*b*/) const {
    return std::nullopt;
  }

  const CallKey call;
  const ReadOptions& options;
  /// Its targets are a function of its key: whatever entry lies under the key carries them. Else a
  /// hit, too, asks for them.
  bool keyed_targets = false;
  bool leases = true;     ///< It may ask for a lease among processes, where its options do.
  bool alone = false;     ///< Neither joins nor leads: the load sees a snapshot of its own.
  bool shareable = true;  ///< Shared tiers may hold the value.
  /// Whether a replica may be asked: whoever runs the request says so before each load, and judges
  /// what comes.
  bool replica_serves = false;
  /// Nobody is asked but memory and shared tiers, and nobody's load is waited for: what they lack has no
  /// result.
  bool only_tiers = false;
  /// Somebody has just asked the shared tiers, in vain.
  bool tiers_asked = false;
  /// It replaces in the background what memory has: nothing is served, nobody is waited for, and what
  /// does not expire later than that is no use.
  std::optional<MonotonicTime> replaces{};
  /// What became of what memory had: for the outcome.
  Refused refused = Refused::nothing;

 protected:
  /// Both, and the key's prefix, must outlive the request.
  ReadRequest(const CallKey& call_key, const ReadOptions& read_options) noexcept
      : call(call_key), options(read_options) {}
};

/// A served value.
struct ReadResult {
  EntryRef entry;
  Outcome outcome;
};

}  // namespace querymark

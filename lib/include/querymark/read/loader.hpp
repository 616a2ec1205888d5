#pragma once  // For writers of ports.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "querymark/key/parameter.hpp"
#include "querymark/mark/stamp.hpp"
#include "querymark/read/outcome.hpp"
#include "querymark/result/result_set.hpp"

namespace querymark {

class Analyser;

/// What a database answered.
struct LoadedRows {
  ResultSet rows{};
  /// Set when the query ran in a snapshot that may be older than the call.
  std::optional<SharedStamp> snapshot{};
  /// Anything but `yes`: the rows must not be kept, and why.
  Stored keep = Stored::yes;
  /// It is the snapshot of a replica, which may lag behind by any time: where the marks do not prove
  /// that the rows include every invalidation of their targets, they are no answer to anybody.
  bool replica = false;
};

/// How a query reaches its database: the one port that an adapter implements for reads.
class Loader {
 public:
  virtual ~Loader() = default;
  /// Runs the SQL, verbatim, with bound parameters. Blocks. Thread-safe unless the loader says
  /// otherwise. Throws Error.
  [[nodiscard]] virtual LoadedRows load(std::string_view sql,
                                        std::span<const ParameterView> parameters) = 0;
  /// The same for whoever judges the snapshot of what comes, and asks `load` where that won't do: may
  /// ask a replica.
  [[nodiscard]] virtual LoadedRows load_from_replica(std::string_view sql,
                                                     std::span<const ParameterView> parameters) {
    return load(sql, parameters);
  }
  /// Whether `load_from_replica` may ask one. Never changes.
  [[nodiscard]] virtual bool has_replica() const noexcept { return false; }
  /// Under which session it loads, where that is not the source's: the session's part of each key.
  /// Callers add their own scope to it and can't replace it. Null: the source's. Lives as long as
  /// the loader.
  [[nodiscard]] virtual const std::string* session() const noexcept { return nullptr; }
  /// True when each load sees a snapshot of its own, so that loads can't be shared.
  [[nodiscard]] virtual bool isolated() const { return false; }
  /// True when it loads on what belongs to its caller: on his thread alone, and not after his call. So
  /// nothing is loaded by it in the background, or for an event loop.
  [[nodiscard]] virtual bool borrowed() const noexcept { return false; }
  /// Who tells on what a query depends, in the session that this loader loads in. Null: nobody can. Lives as
  /// long as the loader.
  [[nodiscard]] virtual Analyser* analyser() noexcept { return nullptr; }
  /// Whether memory may answer instead of a load of this SQL. Asked once for each read that could
  /// be answered so. May block; throws Error.
  [[nodiscard]] virtual bool may_hit(std::string_view sql) {
    static_cast<void>(sql);
    return !isolated();
  }
};

}  // namespace querymark

#pragma once  // For users.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "querymark/database/database.hpp"
#include "querymark/key/parameters.hpp"
#include "querymark/tier/shared_tier.hpp"

namespace querymark {

/// A query with the parameters of one call, as an application makes it: under the same text and types of values a
/// shared tier knows it by the same name.
struct KnownCall {
  std::string sql{};
  Parameters parameters{};
  std::string scope{};  ///< The query's own `.scope()`.
};

/// What a shared tier holds of one call, compared with the database.
enum class Reconciled : std::uint8_t {
  absent,  ///< Nothing that a reader would take: it has none, or an invalidation or its age rules it out.
  agrees,   ///< What the database has.
  excused,  ///< Another value, which a write made old meanwhile.
  wrong,    ///< Another value, and nothing has told of the difference.
  failed,   ///< The database refused the query, or the tier did not answer.
};

struct ReconciledCall {
  std::size_t call = 0;  ///< Its place among those that were asked about.
  Reconciled became = Reconciled::absent;
  std::string parameters{};  ///< For people.
  std::string problem{};     ///< Why it failed.
};

/// Compares what a shared tier holds of these calls with the database, one after the other, and invalidates what is
/// wrong, in all processes and tiers, unless it is only to look. Loads each call that the tier has; puts nothing into
/// the tier. Blocks. `database` is one of its own, in the sessions of the application's, from which nobody has read
/// yet. Throws Error where the database can't be reached, or an invalidation can't be written.
[[nodiscard]] std::vector<ReconciledCall> reconcile(Database& database,
                                                    std::shared_ptr<SharedTier> tier,
                                                    std::span<const KnownCall> calls,
                                                    bool only_look = false);

}  // namespace querymark

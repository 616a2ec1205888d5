#include "querymark/read/query_request.hpp"

#include "querymark/read/begun_read.hpp"
#include "querymark/support/distinct.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/excerpt.hpp"
#include "read/detached.hpp"
#include "read/read_machine_steps.hpp"

namespace querymark::detail {
namespace {

struct HashOfTarget {
  std::size_t operator()(const Target& target) const noexcept {
    return static_cast<std::size_t>(target.id());
  }
};

}  // namespace

void require_text(std::string_view sql) {
  if (sql.empty())
    throw ConfigError("the query holds no statement: its text is empty, or it was moved from");
}

std::vector<TargetId> with_ids_of(std::span<const Target> implied,
                                  std::span<const TargetId> declared) {
  Distinct<TargetId> ids;
  for (const TargetId id : declared) ids.add(id);
  for (const Target& target : implied) ids.add(target.id());
  return ids.values();
}

void fail_on_loop(std::string_view sql) {
  throw ConfigError(
      "a query in a caller's own transaction or on its connection is read by the thread that has "
      "it, "
      "not on an event loop and not in the background: " +
      excerpt(sql, kShownOfSql));
}

std::unique_ptr<ReadRequest> detached(const ReadRequest& request, std::string_view sql) {
  std::unique_ptr<ReadRequest> own = querymark::detached(request);
  if (!own) fail_on_loop(sql);
  return own;
}

Stored by_policy(const ReadPolicy& policy, const ResultSet& rows, EntryInit& entry) {
  const auto lifetime = lifetime_of(policy, rows, entry.expires - entry.loaded);
  if (!lifetime) return Stored::declined;
  entry.expires = after(entry.loaded, jittered(policy, *lifetime));
  return Stored::yes;
}

// By the targets themselves: what other processes read must not depend on this one's ids.
std::vector<Target> targets_of(const std::vector<RowTagger>& taggers, const ResultSet& rows) {
  std::vector<Target> targets;
  for (const RowTagger& tagger : taggers) tagger.add_targets(rows, targets);
  Distinct<Target, HashOfTarget> distinct;
  for (Target& target : targets) distinct.add(std::move(target));
  return distinct.values();
}

}  // namespace querymark::detail

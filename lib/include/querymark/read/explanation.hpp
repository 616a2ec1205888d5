#pragma once  // For users.

#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/automatic/analysis.hpp"
#include "querymark/key/parameter.hpp"
#include "querymark/key/target.hpp"
#include "querymark/mark/position.hpp"
#include "querymark/memory/entry.hpp"
#include "querymark/read/outcome.hpp"

namespace querymark {

class Source;
struct CallKey;
struct ReadOptions;

/// Whether memory would serve a key now, and if not, why.
enum class Presence : std::uint8_t {
  absent,          ///< Nothing was kept, or it had to make room, or nobody has asked for long.
  fresh,           ///< It would be served.
  untrusted,       ///< The log has not been reached for max_lag.
  expired,         ///< Past its ttl, or that of this query.
  invalidated,     ///< Past an invalidation.
  targets_differ,  ///< It was kept by a query that declared other targets.
};
[[nodiscard]] std::string_view to_string(Presence presence) noexcept;

/// What is known of the invalidation that has reached an entry. Marks are shared by hashes: rarely, it was
/// one of another target.
struct CauseOfDeath {
  /// `entity product:7`; `row public:product:id:7`, which triggers have reported; `definitions`, of a table, a view...;
  /// `everything` for a flush or a restart of the marks; `a tag of its rows`, or of another query that shares the
  /// entry.
  std::string by{};
  /// The latest of that target, or the latest flush, that this process has applied: `Database::reasons_at` tells the
  /// reasons that the log has there. Nothing: it had none, as a local flush or a restart of the marks has none.
  std::optional<Position> position{};
  /// Since the first invalidation of anything that the entry does not include was applied here: it died no
  /// sooner. Nothing: nobody knows any more.
  std::optional<std::chrono::nanoseconds> ago{};
};

/// What this process knows of one target.
struct TargetMark {
  /// Of the last batch of invalidations that named it, as the marks count; 0: none.
  std::uint64_t generation = 0;
  /// Of the latest of these in the log; 0: none. Marks are shared by hashes: both may be later than
  /// they should, which costs a miss.
  Position position{};

  friend bool operator==(const TargetMark&, const TargetMark&) = default;
};

/// How a query is keyed, scoped, tagged and cached, and what memory has of it at this moment. For people
/// and tests: made by `explain`, which reads nothing but memory.
struct Explanation {
  // Keyed by
  std::string name{};         ///< What it is counted under.
  std::string text{};         ///< The SQL, or the key name.
  std::string shared_name{};  ///< SHA-256, hexadecimal: what shared tiers know it by.
  std::size_t parameter_bytes = 0;
  std::string parameters{};  ///< For people: `7, 'teapot'`, in full up to some 200 bytes.
  // Scoped by
  std::string namespace_name{};
  std::string database{};
  std::string scope{};  ///< The caller's own.
  // Tagged with; the last one is the key's own.
  std::vector<Target> targets{};
  std::vector<TargetMark> marks{};  ///< Theirs, one for each.
  bool tagged_by_rows = false;      ///< Rows imply more of them.
  bool automatic = false;           ///< Nobody declares them: they are found out.
  /// What is known of the text in the query's session; the targets that follow from it are among those above.
  /// Nothing: tags are declared, or it has not been analysed yet, which the first load does.
  std::optional<Analysis> analysis{};
  /// A definition has changed since then, or may have: the next load asks anew.
  bool analysis_outdated = false;
  /// Why `not_cached` is `unproven`.
  std::string unproven{};
  // Cached
  std::chrono::nanoseconds ttl{};
  std::vector<std::string>
      tiers{};  ///< Labels of the shared ones, in the order in which they are asked.
  /// Why a load would not be kept, as far as can be told before it: switched off, a rule, the log.
  std::optional<Stored> not_cached{};
  // In memory
  Presence presence = Presence::absent;
  std::chrono::nanoseconds age{};   ///< Of the entry.
  std::chrono::nanoseconds left{};  ///< Until its ttl ends; negative: since.
  /// It would be served now, as a hit that claims to be fresh.
  [[nodiscard]] bool served() const noexcept { return presence == Presence::fresh && !not_cached; }
  std::uint64_t stamp = 0;  ///< The generation of the marks up to which it was seen to be right.
  std::uint64_t generation = 0;         ///< Of the marks now.
  std::optional<CauseOfDeath> death{};  ///< Of what is invalidated.
};

/// `entity product:7`, `row public:product:id:7`, `everything`.
[[nodiscard]] std::string describe(const Target& target);
/// Some lines for people.
[[nodiscard]] std::string describe(const Explanation& explanation);

namespace detail {

/// What an analysis is of: a text in a session (as the loader names it), with its parameters.
struct ExplainedText {
  std::string_view session{};
  std::span<const ParameterView> parameters{};
  bool one_key = false;  ///< The first one is a key of a statement for many.
};

/// `targets`: all that the call declares, without the key's own. `wanted`: what the policy says. `text`: null for a
/// value that has none.
[[nodiscard]] Explanation explain(Source& source, const CallKey& call, const ReadOptions& options,
                                  std::vector<Target> targets, bool wanted,
                                  const ExplainedText* text = nullptr);

}  // namespace detail
}  // namespace querymark

template <>
struct fmt::formatter<querymark::Explanation> : fmt::formatter<std::string> {
  auto format(const querymark::Explanation& explanation, fmt::format_context& context) const {
    return fmt::formatter<std::string>::format(querymark::describe(explanation), context);
  }
};

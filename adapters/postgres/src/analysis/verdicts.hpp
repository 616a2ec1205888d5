#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "facts.hpp"
#include "node.hpp"
#include "querymark/automatic/analysis.hpp"

namespace querymark::postgres {

/// A verdict and its reason. The strictest one counts; of two as strict the first.
struct Judgement {
  Verdict verdict = Verdict::cache;
  std::string why{};
  void add(Verdict more, std::string reason);
};

/// What is thought of one kind of node in the server's trees. What has no row here is refused.
struct NodeVerdict {
  std::string_view node;
  Verdict verdict;
  std::string_view why;  ///< Of what is not simply kept.
};
[[nodiscard]] std::span<const NodeVerdict> node_verdicts() noexcept;
/// Functions of the server that give another result without any row having changed only when settings
/// do, and those are pinned, and part of each key.
[[nodiscard]] std::span<const std::string_view> functions_of_settings() noexcept;

/// Whether one of the functions makes JSON of values of any type: by a cast, where somebody has made one for it.
[[nodiscard]] bool makes_json(const Facts& facts);

/// Adds the names of all that a tree speaks of.
void collect_names(const Node& tree, Names& names);

/// Judges a tree by what stands in it, piece by piece, but for the tables: their kinds and functions, not who
/// tracks them. Throws MalformedTree.
void judge_tree(const Node& tree, const Facts& facts, Judgement& judgement);
/// Judges a table or a view itself.
void judge_relation(const RelationFacts& relation, const Facts& facts, Judgement& judgement);

/// What a text is when it becomes a value of a type.
enum class Reads : std::uint8_t {
  plainly,    ///< The same whenever it is read.
  dates,      ///< Another one tomorrow, if it says so.
  otherwise,  ///< Nobody knows.
};
[[nodiscard]] Reads reads(Oid type, const Facts& facts);
/// Whether a tree has a constant whose text may have been `today`.
[[nodiscard]] bool has_dates(const Node& tree, const Facts& facts);

}  // namespace querymark::postgres

#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "equalities.hpp"
#include "facts.hpp"
#include "node.hpp"
#include "querymark/automatic/analysis.hpp"
#include "sql_tokens.hpp"
#include "walk.hpp"

// The pure part of an analysis: what the server has told of a text, and what follows from it.

namespace querymark::postgres {

/// What the server has told.
struct Told {
  /// Of a function whose body is the text and, behind it, `select 1`.
  std::string tree{};
  std::vector<Oid> parameters{};  ///< Their types.
  Facts facts{};
};

/// The trees of a text: its own, and those of the views and functions behind it.
class Trees {
 public:
  /// Throws MalformedTree.
  explicit Trees(std::string_view tree);
  /// Takes in the trees behind new facts. Throws MalformedTree.
  void learn(const Facts& facts);
  /// All that is named, and not known yet.
  [[nodiscard]] Names wanted(const Facts& facts) const;

  [[nodiscard]] const Node& query() const { return whole_.items().at(0).items().at(0); }
  /// Whether constants are written as little-endian machines do.
  [[nodiscard]] bool plain_bytes() const;
  [[nodiscard]] const std::map<Oid, Node>& views() const noexcept { return views_; }
  [[nodiscard]] const std::map<Oid, Node>& bodies() const noexcept { return bodies_; }

 private:
  Node whole_;
  std::map<Oid, Node> views_;
  std::map<Oid, Node> bodies_;
  Names names_;
};

/// What follows. Never throws for what it can't judge: that is refused.
[[nodiscard]] Analysis analyse(const Told& told, std::string_view sql, Backslash backslash,
                               Broken broken = Broken::nothing);

/// The same, with what it was made from.
struct Walked {
  Analysis analysis{};
  std::vector<Seen> seen{};  ///< Each appearance of a table, unless the text is refused.
};
[[nodiscard]] Walked walked(const Told& told, std::string_view sql, Backslash backslash,
                            Broken broken = Broken::nothing);

/// Whether a text has, in quotes, what a date may be made of that is another one tomorrow. True, too, of
/// what is spelled in a way that can't be told.
[[nodiscard]] bool speaks_of_today(std::string_view sql, Backslash backslash);

}  // namespace querymark::postgres

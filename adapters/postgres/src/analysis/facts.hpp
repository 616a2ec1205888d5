#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "querymark/automatic/analysis.hpp"

namespace querymark::postgres {

using Oid = std::uint32_t;

/// What the catalogue says of one relation that a tree names.
struct RelationFacts {
  std::string schema{};
  std::string name{};
  char kind = 'r';         ///< pg_class.relkind
  char persistence = 'p';  ///< pg_class.relpersistence
  bool row_security = false;
  bool system = false;  ///< Of the server's own schemas, or of querymark's.
  /// The text of its rule, of a view.
  std::string rule{};

  std::map<int, std::string> columns{};  ///< By attnum; those that were dropped are missing.

  struct Route {
    std::vector<std::string> columns{};
    bool unique = false;  ///< At most one row has the same values.
  };
  /// Under which name its triggers report, on all members alike; empty: it is not tracked,
  std::string reported_as{};
  /// for this reason.
  std::string untracked{};
  std::vector<Route> routes{};
  std::vector<std::vector<std::string>> uniques{};  ///< Columns that only one row has alike.
};

struct FunctionFacts {
  std::string schema{};
  std::string name{};
  std::string arguments{};  ///< For people.
  char volatility = 'v';
  bool own = false;        ///< The server's own: of initdb.
  bool extension = false;  ///< Belongs to an extension.
  std::string body{};      ///< The tree of `begin atomic`; empty: it is not known what it does.
};

struct TypeFacts {
  std::string name{};
  std::string schema{};
  char kind = 'b';     ///< pg_type.typtype
  bool own = false;    ///< The server's own.
  bool array = false;  ///< An array, not a type with a subscript.
  bool extension = false;
  char input = 'v';  ///< The volatility of its input function.
  Oid element = 0;   ///< Of an array (typelem), of a range its subtype, of a domain its base type.
  bool names_roles = false;             ///< It, or a part of it, is shown as the name of a role.
  std::map<Oid, std::string> labels{};  ///< Of an enumeration.
};

/// What is known of what trees name. What is missing is refused.
struct Facts {
  std::map<Oid, RelationFacts> relations{};
  std::map<Oid, FunctionFacts> functions{};
  std::map<Oid, TypeFacts> types{};
  std::map<Oid, Oid> operators{};    ///< The function of each.
  std::set<Oid> loose_collations{};  ///< Under which unlike texts may be equal.
  std::set<Oid> json_casts{};        ///< Functions by which values of some types become JSON.
  bool reports_definitions = false;  ///< Event triggers report DDL: a REFRESH, too.
  bool definitions_polled = false;   ///< Changes of them are found, though not a REFRESH.
  bool plain_bytes = false;          ///< Constants are little-endian.
  bool utf8 = false;                 ///< Texts in them are in UTF-8.
  Promises promises{};               ///< What the caller vouches for.
  /// The relations that it says are read, by the names that it gives them; 0: there is none.
  std::map<std::string, Oid> promised_reads{};
};

/// What trees name, to be asked for.
struct Names {
  std::set<Oid> relations{};
  std::set<Oid> functions{};
  std::set<Oid> types{};
  std::set<Oid> operators{};
};

}  // namespace querymark::postgres

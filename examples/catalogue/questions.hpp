#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "querymark/database/queries.hpp"

/// The questions that the catalogue answers: for each its rows, its SQL (see backend.hpp), and the
/// prepared query. Which writes reach an answer is not said here: with automatic tags the database
/// finds it out, and without them declared.hpp says it.
namespace catalogue {

namespace qm = querymark;

/// A package by its name.
struct Package {
  std::string name, version, section;
  std::int64_t size = 0;            ///< Of the archive file, in bytes.
  std::int64_t installed_size = 0;  ///< In KiB, as Debian counts it.
  std::string maintainer;
  friend bool operator==(const Package&, const Package&) = default;
};
/// One reverse dependency.
struct NeededBy {
  std::string name, kind;
  friend bool operator==(const NeededBy&, const NeededBy&) = default;
};
/// One of the largest packages of a section.
struct Large {
  std::string name, version;
  std::int64_t size = 0;
  friend bool operator==(const Large&, const Large&) = default;
};
/// The catalogue as a whole.
struct Totals {
  std::int64_t packages = 0, installed_size = 0;
  friend bool operator==(const Totals&, const Totals&) = default;
};

namespace sql {

inline constexpr const char* kPackage =
    "select name, version, section, size, installed_size, maintainer from package where name = $1";

inline constexpr const char* kNeededBy =
    "select p.name, d.kind from dependency d join package p on p.id = d.package_id "
    "where d.depends_on = $1 order by p.name, d.kind";

inline constexpr const char* kLargest =
    "select name, version, size from package where section = $1 order by size desc, name limit 10";

// How many names a package pulls in, directly or through others. `union` ends cycles.
inline constexpr const char* kReach = R"sql(
with recursive reached(name) as (
  select d.depends_on from package p join dependency d on d.package_id = p.id
   where p.name = $1 and d.kind in ('depends', 'pre-depends')
  union
  select d.depends_on from reached r join package p on p.name = r.name
                                     join dependency d on d.package_id = p.id
   where d.kind in ('depends', 'pre-depends')
)
select count(*) from reached)sql";

inline constexpr const char* kTotals =
    "select count(*), cast(coalesce(sum(installed_size), 0) as bigint) from package";

}  // namespace sql

inline constexpr std::chrono::minutes kTtl{10};

inline auto prepare_package(qm::Queries& db) {
  return db.prepare<Package>(sql::kPackage).ttl(kTtl);
}
inline auto prepare_needed_by(qm::Queries& db) {
  return db.prepare<NeededBy>(sql::kNeededBy).ttl(kTtl);
}
inline auto prepare_largest(qm::Queries& db) { return db.prepare<Large>(sql::kLargest).ttl(kTtl); }
inline auto prepare_reach(qm::Queries& db) {
  return db.prepare<std::int64_t>(sql::kReach).ttl(kTtl);
}
inline auto prepare_totals(qm::Queries& db) { return db.prepare<Totals>(sql::kTotals).ttl(kTtl); }

/// All of them, ready to be asked.
struct Questions {
  qm::PreparedQuery<Package, std::string_view> package;
  qm::PreparedQuery<NeededBy, std::string_view> needed_by;
  qm::PreparedQuery<Large, std::string_view> largest;
  qm::PreparedQuery<std::int64_t, std::string_view> reach;
  qm::PreparedQuery<Totals> totals;
};

[[nodiscard]] inline Questions prepare_questions(qm::Queries& db) {
  return {.package = prepare_package(db),
          .needed_by = prepare_needed_by(db),
          .largest = prepare_largest(db),
          .reach = prepare_reach(db),
          .totals = prepare_totals(db)};
}

}  // namespace catalogue

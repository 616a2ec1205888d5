#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/write/transaction.hpp"
#include "questions.hpp"

/// The writes of the catalogue, within a transaction that several can share. What they make stale
/// triggers report; where there are none, declared.hpp declares it in the same transaction, so that
/// neither can be without the other.
namespace catalogue {

/// A dependency as the database holds it.
struct Dependency {
  std::string depends_on, kind;
};

/// A package with its dependencies: what a removal hands back and a publication takes.
struct Publication {
  Package package;
  std::vector<Dependency> dependencies;
};

/// Sets a package's version; returns its section. Throws std::out_of_range when there is no such
/// package.
std::string bump(qm::Transaction& tx, std::string_view name, std::string_view version);
/// Removes a package and its dependencies; returns what was removed, if anything.
std::optional<Publication> remove(qm::Transaction& tx, std::string_view name);
/// Adds a package with its dependencies. Throws querymark::Error when it is there.
void publish(qm::Transaction& tx, const Publication& publication);

}  // namespace catalogue

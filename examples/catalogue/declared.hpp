#pragma once

#include <optional>
#include <string_view>

#include "changes.hpp"
#include "querymark/write/transaction.hpp"
#include "questions.hpp"

/// What an application declares whose tables report nothing: tags of questions, intents of changes.
/// With automatic tags none of this is called.
///
/// Targets, and who moves them:
///   package:NAME     any change of that package           a package, what it reaches
///   section:NAME     any change in that section           the largest of a section
///   needed-by:NAME   who depends on NAME has changed      reverse dependencies
///   packages         a package came or went               totals
///   dependencies     an edge of the graph came or went    what a package reaches
namespace catalogue::declared {

/// The questions of questions.hpp, each with its tags.
[[nodiscard]] Questions prepare_questions(qm::Queries& db);

// The intents of the changes in changes.hpp, to be declared in the same transaction.

void declare_bump(qm::Transaction& tx, std::string_view name, std::string_view section);
/// `removed` is nothing when there was no such package.
void declare_removal(qm::Transaction& tx, std::string_view name,
                     const std::optional<Publication>& removed);
void declare_publication(qm::Transaction& tx, const Publication& publication);

}  // namespace catalogue::declared

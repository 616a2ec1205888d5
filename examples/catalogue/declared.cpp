#include "declared.hpp"

namespace catalogue::declared {
namespace {

// What a package's coming or going makes stale.
void invalidate_all_about(qm::Transaction& tx, const Publication& changed) {
  tx.invalidate(qm::entity("package", changed.package.name))
      .invalidate(qm::collection("section", changed.package.section))
      .invalidate(qm::collection("packages"))
      .invalidate(qm::collection("dependencies"));
  for (const Dependency& dependency : changed.dependencies)
    tx.invalidate(qm::collection("needed-by", dependency.depends_on));
}

}  // namespace

Questions prepare_questions(qm::Queries& db) {
  const auto package = [](std::string_view name) { return qm::entity("package", name); };
  const auto needed_by = [](std::string_view name) { return qm::collection("needed-by", name); };
  const auto section = [](std::string_view name) { return qm::collection("section", name); };
  return {.package = prepare_package(db).tag(package),
          .needed_by = prepare_needed_by(db).tag(needed_by),
          .largest = prepare_largest(db).tag(section),
          // Whatever changes the graph anywhere may change the answer: one target for all edges.
          .reach = prepare_reach(db).tag(qm::collection("dependencies")).tag(package),
          .totals = prepare_totals(db).tag(qm::collection("packages"))};
}

void declare_bump(qm::Transaction& tx, std::string_view name, std::string_view section) {
  tx.invalidate(qm::entity("package", name))
      .invalidate(qm::collection("section", section))
      .reason("version bump");
}

void declare_removal(qm::Transaction& tx, std::string_view name,
                     const std::optional<Publication>& removed) {
  tx.reason("removal").invalidate(qm::entity("package", name));
  if (removed) invalidate_all_about(tx, *removed);
}

void declare_publication(qm::Transaction& tx, const Publication& publication) {
  tx.reason("publication");
  invalidate_all_about(tx, publication);
}

}  // namespace catalogue::declared

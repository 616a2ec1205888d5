#include "changes.hpp"

#include <stdexcept>

namespace catalogue {
namespace {

// Inside a transaction reads go to the database: they see its own writes, and no cache.
std::optional<Publication> read_publication(qm::Transaction& tx, std::string_view name) {
  const qm::ResultSet found = tx.query(sql::kPackage, name);
  if (found.empty()) return std::nullopt;
  const qm::Row row = found[0];
  Publication publication;
  publication.package = {.name = row["name"].as<std::string>(),
                         .version = row["version"].as<std::string>(),
                         .section = row["section"].as<std::string>(),
                         .size = row["size"].as<std::int64_t>(),
                         .installed_size = row["installed_size"].as<std::int64_t>(),
                         .maintainer = row["maintainer"].as<std::string>()};
  const qm::ResultSet edges = tx.query(
      "select depends_on, kind from dependency "
      "where package_id = (select id from package where name = $1)",
      name);
  for (const qm::Row edge : edges)
    publication.dependencies.push_back({edge[0].as<std::string>(), edge[1].as<std::string>()});
  return publication;
}

}  // namespace

std::string bump(qm::Transaction& tx, std::string_view name, std::string_view version) {
  const qm::ResultSet found = tx.query("select section from package where name = $1", name);
  if (found.empty()) throw std::out_of_range("there is no package " + std::string(name));
  tx.execute("update package set version = $1 where name = $2", version, name);
  return found[0][0].as<std::string>();
}

std::optional<Publication> remove(qm::Transaction& tx, std::string_view name) {
  std::optional<Publication> removed = read_publication(tx, name);
  if (!removed) return removed;
  tx.execute("delete from dependency where package_id = (select id from package where name = $1)",
             name);
  tx.execute("delete from package where name = $1", name);
  return removed;
}

void publish(qm::Transaction& tx, const Publication& publication) {
  const Package& package = publication.package;
  tx.execute(
      "insert into package (name, version, section, size, installed_size, maintainer) "
      "values ($1, $2, $3, $4, $5, $6)",
      package.name, package.version, package.section, package.size, package.installed_size,
      package.maintainer);
  for (const Dependency& dependency : publication.dependencies)
    tx.execute(
        "insert into dependency (package_id, depends_on, kind) "
        "select id, $1, $2 from package where name = $3",
        dependency.depends_on, dependency.kind, package.name);
}

}  // namespace catalogue

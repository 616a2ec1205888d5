#include "direct.hpp"

#include <SQLiteCpp/VariadicBind.h>

namespace catalogue {
namespace {

template <class T, int Columns, class... Args>
std::vector<T> ask(SQLite::Statement& statement, const Args&... args) {
  if constexpr (sizeof...(Args) > 0) SQLite::bind(statement, args...);
  std::vector<T> rows;
  while (statement.executeStep()) rows.push_back(statement.getColumns<T, Columns>());
  statement.reset();  // ends the read, so that the next one sees the newest commit
  return rows;
}

}  // namespace

Direct::Direct(const std::string& database)
    : database_(database, SQLite::OPEN_READONLY, 5000),
      package_(database_, sql::kPackage),
      needed_by_(database_, sql::kNeededBy),
      largest_(database_, sql::kLargest),
      reach_(database_, sql::kReach),
      totals_(database_, sql::kTotals) {}

std::vector<Package> Direct::package(const std::string& name) {
  return ask<Package, 6>(package_, name);
}
std::vector<NeededBy> Direct::needed_by(const std::string& name) {
  return ask<NeededBy, 2>(needed_by_, name);
}
std::vector<Large> Direct::largest(const std::string& section) {
  return ask<Large, 3>(largest_, section);
}
std::vector<std::int64_t> Direct::reach(const std::string& name) {
  return ask<std::int64_t, 1>(reach_, name);
}
std::vector<Totals> Direct::totals() { return ask<Totals, 2>(totals_); }

std::vector<Sample> Direct::samples(std::size_t at_most) {
  SQLite::Statement statement(database_, R"sql(
with ranked as (
  select id, name, section,
         row_number() over (partition by section order by size desc, name) as place
    from package)
select name, section,
       coalesce((select min(depends_on) from dependency where package_id = id), name)
  from ranked where place <= 10 order by place, section limit ?)sql");
  return ask<Sample, 3>(statement, static_cast<std::int64_t>(at_most));
}

}  // namespace catalogue

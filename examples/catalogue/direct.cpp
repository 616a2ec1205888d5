#include "direct.hpp"

#include <array>
#include <boost/pfr.hpp>
#include <type_traits>

namespace catalogue {
namespace {

template <class Field>
void take(Field& field, const PlainClient::Row& row, int column) {
  if constexpr (std::is_same_v<Field, std::string>)
    field = row.text(column);
  else
    field = row.integer(column);
}

// A number, or an object whose fields take the columns in order.
template <class T>
T object_of(const PlainClient::Row& row) {
  T object{};
  if constexpr (std::is_arithmetic_v<T>)
    take(object, row, 0);
  else
    boost::pfr::for_each_field(
        object, [&](auto& field, std::size_t at) { take(field, row, static_cast<int>(at)); });
  return object;
}

}  // namespace

template <class T, class... Args>
std::vector<T> Direct::ask(std::size_t statement, const Args&... args) {
  const std::array<std::string, sizeof...(Args)> arguments{args...};
  std::vector<T> rows;
  client_->ask(statement, arguments,
               [&](const PlainClient::Row& row) { rows.push_back(object_of<T>(row)); });
  return rows;
}

Direct::Direct(const std::string& database)
    : client_(backend_of(database)->connect()),
      package_(client_->prepare(sql::kPackage)),
      needed_by_(client_->prepare(sql::kNeededBy)),
      largest_(client_->prepare(sql::kLargest)),
      reach_(client_->prepare(sql::kReach)),
      totals_(client_->prepare(sql::kTotals)) {}

std::vector<Package> Direct::package(const std::string& name) {
  return ask<Package>(package_, name);
}
std::vector<NeededBy> Direct::needed_by(const std::string& name) {
  return ask<NeededBy>(needed_by_, name);
}
std::vector<Large> Direct::largest(const std::string& section) {
  return ask<Large>(largest_, section);
}
std::vector<std::int64_t> Direct::reach(const std::string& name) {
  return ask<std::int64_t>(reach_, name);
}
std::vector<Totals> Direct::totals() { return ask<Totals>(totals_); }

std::vector<Sample> Direct::samples(std::size_t at_most) {
  std::vector<Sample> samples = ask<Sample>(client_->prepare(R"sql(
with ranked as (
  select id, name, section,
         row_number() over (partition by section order by size desc, name) as place
    from package)
select name, section,
       coalesce((select min(depends_on) from dependency where package_id = id), name)
  from ranked where place <= 10 order by place, section)sql"));
  if (samples.size() > at_most) samples.resize(at_most);
  return samples;
}

}  // namespace catalogue

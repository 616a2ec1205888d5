#pragma once

#include <pqxx/nontransaction>
#include <pqxx/prepared_statement>
#include <pqxx/result>
#include <pqxx/stream_to>
#include <pqxx/transaction>
#include <pqxx/version>
#include <span>
#include <string>
#include <string_view>
#include <vector>
#if PQXX_VERSION_MAJOR >= 7
#include <pqxx/params>
#endif

/// What libpqxx 6.4 and 7 name differently, for a program that is built with either.

namespace catalogue {

/// Runs a statement with one parameter.
inline pqxx::result run_bound(pqxx::nontransaction& plain, const std::string& sql,
                              const std::string& value) {
#if PQXX_VERSION_MAJOR < 7
  return plain.exec_params(sql, value);
#else
  return plain.exec(sql, pqxx::params{value});
#endif
}

/// Runs a statement that was prepared under a name.
inline pqxx::result run_prepared(pqxx::nontransaction& plain, const std::string& name,
                                 std::span<const std::string> arguments) {
#if PQXX_VERSION_MAJOR < 7
  return plain.exec_prepared(
      name, pqxx::prepare::make_dynamic_params(arguments.begin(), arguments.end()));
#else
  pqxx::params values;
  for (const std::string& argument : arguments) values.append(argument);
  return plain.exec(pqxx::prepped{name}, values);
#endif
}

/// Opens a COPY into the columns of a table.
inline pqxx::stream_to stream_into(pqxx::work& work, std::string_view table,
                                   const std::vector<std::string>& columns) {
#if PQXX_VERSION_MAJOR < 7
  return {work, std::string(table), columns};
#else
  return pqxx::stream_to::raw_table(work, work.quote_name(table),
                                    work.conn().quote_columns(columns));
#endif
}

}  // namespace catalogue

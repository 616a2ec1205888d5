#include "values.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#if __has_include(<pqxx/params>)  // not before libpqxx 7.3
#include <pqxx/params>
#endif
#include <utility>
#include <vector>

#include "connection.hpp"
#include "float_text.hpp"
#include "parameter_count.hpp"
#include "postgres_sql.hpp"
#include "querymark/key/list.hpp"
#include "querymark/key/time_values.hpp"
#include "querymark/postgres/types.hpp"
#include "querymark/support/bytes.hpp"
#include "untranslatable.hpp"

namespace querymark::postgres {
namespace {

// pg_type.dat; the numbers of built-in types never change.
enum Oid : unsigned {
  kBool = 16,
  kBytea = 17,
  kInt8 = 20,
  kInt2 = 21,
  kInt4 = 23,
  kOid = 26,
  kFloat4 = 700,
  kFloat8 = 701
};

constexpr std::array<std::pair<unsigned, std::string_view>, 45> kTypeNames{
    {{16, "boolean"},
     {17, "bytea"},
     {18, "\"char\""},
     {19, "name"},
     {20, "bigint"},
     {21, "smallint"},
     {23, "integer"},
     {25, "text"},
     {26, "oid"},
     {114, "json"},
     {700, "real"},
     {701, "double precision"},
     {869, "inet"},
     {1042, "character"},
     {1043, "character varying"},
     {1082, "date"},
     {1083, "time without time zone"},
     {1114, "timestamp without time zone"},
     {1184, "timestamp with time zone"},
     {1186, "interval"},
     {1700, "numeric"},
     {2950, "uuid"},
     {3802, "jsonb"},
     {1000, "boolean[]"},
     {1001, "bytea[]"},
     {1016, "bigint[]"},
     {1005, "smallint[]"},
     {1007, "integer[]"},
     {1009, "text[]"},
     {1028, "oid[]"},
     {199, "json[]"},
     {1021, "real[]"},
     {1022, "double precision[]"},
     {1041, "inet[]"},
     {1014, "character[]"},
     {1015, "character varying[]"},
     {1182, "date[]"},
     {1183, "time without time zone[]"},
     {1115, "timestamp without time zone[]"},
     {1185, "timestamp with time zone[]"},
     {1187, "interval[]"},
     {1231, "numeric[]"},
     {2951, "uuid[]"},
     {3807, "jsonb[]"},
     {1020, "box[]"}}};

// Empty for one that is not in the list.
std::string_view built_in_name(unsigned type) noexcept {
  for (const auto& [oid, name] : kTypeNames)
    if (oid == type) return name;
  return {};
}

std::string type_name(unsigned type, const TypeNames& names) {
  if (const std::string_view known = built_in_name(type); !known.empty()) return std::string(known);
  const auto found = names.find(type);
  return found == names.end() ? "oid:" + std::to_string(type) : found->second;
}

std::vector<unsigned> types_of(const pqxx::result& result) {
  std::vector<unsigned> types;
  const auto columns = result.columns();
  types.reserve(static_cast<std::size_t>(columns));
  for (auto column = decltype(columns + 0){}; column < columns; ++column)
    types.push_back(result.column_type(column));
  return types;
}

std::vector<unsigned> types_of(const pg_result* result) {
  std::vector<unsigned> types;
  types.reserve(static_cast<std::size_t>(PQnfields(result)));
  for (int column = 0; column < PQnfields(result); ++column)
    types.push_back(PQftype(result, column));
  return types;
}

std::vector<unsigned> unknown_among(std::vector<unsigned> types, const TypeNames& names) {
  std::erase_if(
      types, [&](unsigned type) { return !built_in_name(type).empty() || names.contains(type); });
  return types;
}

template <class Number>
Number number_of(std::string_view text) {
  Number value{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    throw Error("PostgreSQL sent a number that can't be read: " + std::string(text));
  return value;
}

struct FreeMemory {
  void operator()(unsigned char* memory) const noexcept { PQfreemem(memory); }
};

std::string bytes_of(std::string_view text) {
  if (text.starts_with("\\x"))
    if (auto bytes = from_hex(text.substr(2))) return *std::move(bytes);
  // A caller's own connection may use bytea_output = escape.
  const std::string terminated(text);
  std::size_t size = 0;
  const std::unique_ptr<unsigned char, FreeMemory> raw(
      PQunescapeBytea(reinterpret_cast<const unsigned char*>(terminated.c_str()), &size));
  if (!raw) throw std::bad_alloc();
  return {reinterpret_cast<const char*>(raw.get()), size};
}

// `run(bound)`, where `bound` is what libpqxx takes for a list of parameters.
template <class Run>
pqxx::result with_bound(std::span<const ParameterView> values, Run&& run) {
  std::vector<std::optional<std::string>> texts;
  texts.reserve(values.size());
  for (const ParameterView value : values) texts.push_back(text_of(value));
#if __has_include(<pqxx/params>)
  pqxx::params bound;
  for (const auto& text : texts) {
    if (text)
      bound.append(*text);
    else
      bound.append();
  }
  return run(bound);
#else
  std::vector<const char*> bound;
  bound.reserve(texts.size());
  for (const auto& text : texts) bound.push_back(text ? text->c_str() : nullptr);
  return run(pqxx::prepare::make_dynamic_params(bound));
#endif
}

void add_cell(ResultSetBuilder& builder, unsigned type, std::optional<std::string_view> text) {
  if (!text) {
    builder.add({});
    return;
  }
  switch (type) {
    case kBool:
      builder.add(ParameterView::boolean(*text == "t"));
      break;
    case kInt2:
    case kInt4:
    case kInt8:
    case kOid:
      builder.add(ParameterView::int64(number_of<std::int64_t>(*text)));
      break;
    case kFloat4:
    case kFloat8:
      builder.add(ParameterView::float64(number_of<double>(*text)));
      break;
    case kBytea:
      builder.add(ParameterView::bytes(bytes_of(*text)));
      break;
    default:
      builder.add(ParameterView::text(*text));
  }
}

}  // namespace

std::optional<std::string> text_of(ParameterView value) {
  switch (value.type()) {
    case ValueType::null:
      return std::nullopt;
    case ValueType::boolean:
      return value.as_int64() != 0 ? "t" : "f";
    case ValueType::int64:
      return std::to_string(value.as_int64());
    case ValueType::float64:
      return float_text(value.as_float64());
    case ValueType::text:
      if (value.as_view().find('\0') != std::string_view::npos)
        throw ConfigError("PostgreSQL text can't hold a NUL; pass Bytes for a bytea");
      return std::string(value.as_view());
    case ValueType::bytes:
      return "\\x" + to_hex(value.as_view());
    case ValueType::array:
      return std::string(value.as_view());
    case ValueType::list: {
      ArrayBuilder array;
      for (const ParameterView element : elements_of_list(value)) array.add(element);
      return std::string(ParameterView(std::move(array).build()).as_view());
    }
    case ValueType::timestamp: {  // the offset is heeded with a time zone, ignored without
      const std::chrono::microseconds since_1970(value.as_int64());
      return detail::time_text(detail::Microseconds(since_1970)) + "+00";
    }
  }
  return std::nullopt;
}

void add_cell(ResultSetBuilder& builder, std::string_view type,
              std::optional<std::string_view> text) {
  const auto* const known =
      std::ranges::find(kTypeNames, type, [](const auto& named) { return named.second; });
  add_cell(builder, known == kTypeNames.end() ? 0 : known->first, text);
}

bool is_known_type(std::string_view type) noexcept {
  return std::ranges::find(kTypeNames, type, [](const auto& named) { return named.second; }) !=
         kTypeNames.end();
}

ResultSet rows_of(const pqxx::result& result, const TypeNames& names) {
  ResultSetBuilder builder;
  const std::vector<unsigned> types = types_of(result);
  const auto columns = result.columns();
  for (auto column = decltype(columns + 0){}; column < columns; ++column)
    builder.add_column(result.column_name(column), type_name(result.column_type(column), names));
  for (const auto& row : result) {
    if (columns == 0) builder.add_bare_row();
    std::size_t column = 0;
    for (const auto& field : row)
      add_cell(builder, types[column++],
               field.is_null() ? std::nullopt
                               : std::optional(std::string_view(field.c_str(), field.size())));
  }
  return std::move(builder).build();
}

namespace {

enum class Spelling : bool { as_it_came, utf8 };

ResultSet rows_spelt(const pg_result* result, const TypeNames& names, Spelling spelling) {
  ResultSetBuilder builder;
  std::string respelt;
  const int columns = PQnfields(result);
  for (int column = 0; column < columns; ++column)
    builder.add_column(PQfname(result, column), type_name(PQftype(result, column), names));
  const int rows = PQntuples(result);
  for (int row = 0; row < rows; ++row) {
    if (columns == 0) builder.add_bare_row();
    for (int column = 0; column < columns; ++column) {
      std::optional<std::string_view> text;
      if (PQgetisnull(result, row, column) == 0)
        text.emplace(PQgetvalue(result, row, column),
                     static_cast<std::size_t>(PQgetlength(result, row, column)));
      if (text && spelling == Spelling::utf8 && !is_plain_utf8(*text)) {
        respelt = spelt(*text, Letters::all);
        text = respelt;
      }
      add_cell(builder, PQftype(result, column), text);
    }
  }
  return std::move(builder).build();
}

}  // namespace

ResultSet rows_of(const pg_result* result, const TypeNames& names) {
  return rows_spelt(result, names, Spelling::as_it_came);
}

ResultSet spelt_rows_of(const pg_result* result) { return rows_spelt(result, {}, Spelling::utf8); }

std::vector<unsigned> unknown_types(const pqxx::result& result, const TypeNames& names) {
  return unknown_among(types_of(result), names);
}

std::vector<unsigned> unknown_types(const pg_result* result, const TypeNames& names) {
  return unknown_among(types_of(result), names);
}

void learn_types(TypeNames& names, const ResultSet& answer) {
  for (const Row row : answer) names[row["oid"].as<unsigned>()] = row["name"].as<std::string>();
}

OwnedParameter as_oids(std::span<const unsigned> types) {
  std::string text = "{";
  for (const unsigned type : types) text += (text.size() > 1 ? "," : "") + std::to_string(type);
  return {ParameterView::array(ValueType::int64, {}), text + '}'};
}

// The last versions of libpqxx 7 would have both called exec(), which earlier ones do not offer.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

pqxx::result exec_bound(pqxx::transaction_base& transaction, std::string_view sql,
                        std::span<const ParameterView> values) {
  require_sendable(values.size());
  return with_bound(
      values, [&](const auto& bound) { return transaction.exec_params(std::string(sql), bound); });
}

#pragma GCC diagnostic pop

ResultSet SharedTypeNames::rows_of(pqxx::transaction_base& transaction,
                                   const pqxx::result& result) {
  const auto known = [&] {
    const MutexLock lock(mutex_);
    return names_;
  };
  TypeNames names = known();
  if (const auto unknown = unknown_types(result, names); !unknown.empty()) {
    const OwnedParameter oids = as_oids(unknown);
    const ParameterView value = oids;
    const ResultSet answer =
        postgres::rows_of(exec_bound(transaction, sql::type_names, {&value, 1}));
    const MutexLock lock(mutex_);
    learn_types(names_, answer);
    names = names_;
  }
  return postgres::rows_of(result, names);
}

}  // namespace querymark::postgres

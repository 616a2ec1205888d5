#include "querymark/key/tracked.hpp"

#include <algorithm>
#include <utility>

#include "querymark/support/error.hpp"

namespace querymark {
namespace {

constexpr std::string_view kAny = "%any:";
constexpr std::string_view kAll = "%all:";
constexpr std::string_view kRow = "%row:";
constexpr std::string_view kSchema = "%schema";

Target named(const std::string& text) {
  auto target = Target::from_log(to_string(TargetKind::tracked), text);
  if (!target)
    throw ConfigError("a relation's name, or a value in it, of " + std::to_string(text.size()) +
                      " bytes is longer than a target may be, or not UTF-8");
  return std::move(*target);
}

Target named(std::string_view form, std::string_view relation) {
  return named(std::string(form).append(relation));
}

// The parts between the separators; one at least.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0;;) {
    const std::size_t end = text.find(separator, at);
    parts.push_back(text.substr(at, end - at));
    if (end == std::string_view::npos) return parts;
    at = end + 1;
  }
}

bool is_relation(std::string_view text) {
  const auto parts = split(text, ':');
  return parts.size() == 2 && !parts[0].empty() && !parts[1].empty();
}

std::optional<Target> read(std::string_view form, std::string_view rest) {
  return Target::from_log(to_string(TargetKind::tracked), std::string(form).append(rest));
}

// Of `public:product` any row; of `public:product:id:7,8` these rows, too.
std::optional<std::vector<Target>> rows_in_log(std::string_view text) {
  const auto parts = split(text, ':');
  if (parts.size() != 2 && parts.size() != 4) return std::nullopt;
  const std::string_view relation = text.substr(0, parts[0].size() + 1 + parts[1].size());
  std::vector<Target> targets;
  const auto add = [&targets](std::string_view form, std::string_view rest) {
    auto target = read(form, rest);
    if (target) targets.push_back(std::move(*target));
    return target.has_value();
  };
  if (!is_relation(relation) || !add(kAny, relation)) return std::nullopt;
  if (parts.size() == 2) return targets;
  const std::string_view route = text.substr(0, text.size() - parts[3].size());
  const auto columns = std::ranges::count(parts[2], '+');
  for (const std::string_view value : split(parts[3], ',')) {
    if (std::ranges::count(value, '+') != columns || !add(kRow, std::string(route).append(value)))
      return std::nullopt;
  }
  return targets;
}

}  // namespace

std::string escape_tracked(std::string_view part) {
  std::string escaped;
  escaped.reserve(part.size());
  for (const char c : part) {
    if (c == '%')
      escaped += "%25";
    else if (c == ':')
      escaped += "%3A";
    else if (c == ',')
      escaped += "%2C";
    else if (c == '+')
      escaped += "%2B";
    else
      escaped += c;
  }
  return escaped;
}

std::string relation_name(std::string_view schema, std::string_view table) {
  return escape_tracked(schema).append(":").append(escape_tracked(table));
}

std::string route_name(std::span<const std::string> columns) {
  std::string name;
  for (const std::string& column : columns) {
    if (!name.empty()) name += '+';
    name += escape_tracked(column);
  }
  return name;
}

Target any_row_of(std::string_view relation) { return named(kAny, relation); }

Target all_rows_of(std::string_view relation) { return named(kAll, relation); }

Target row_of(std::string_view relation, std::string_view route,
              std::span<const std::string> values) {
  return named(std::string(kRow).append(relation).append(":").append(route).append(":").append(
      route_name(values)));
}

Target schema_of_all() { return named(std::string(kSchema)); }

bool is_tracked_text(std::string_view text) noexcept {
  if (text == kSchema) return true;
  return text.starts_with(kAny) || text.starts_with(kAll) || text.starts_with(kRow);
}

std::string describe_tracked(std::string_view text) {
  if (text == kSchema) return "definitions";
  const auto behind = [text](std::string_view form) {
    return std::string(text.substr(form.size()));
  };
  if (text.starts_with(kAny)) return "any row of " + behind(kAny);
  if (text.starts_with(kAll)) return "all rows of " + behind(kAll);
  if (text.starts_with(kRow)) return "row " + behind(kRow);
  return std::string(text);
}

std::optional<std::vector<Target>> targets_in_log(std::string_view kind, std::string_view text) {
  if (kind == "rows") return rows_in_log(text);
  if (kind == "schema" && text == "schema") return std::vector{schema_of_all()};
  if (kind == "relation") {
    auto any = read(kAny, text);
    auto all = read(kAll, text);
    if (!is_relation(text) || !any || !all) return std::nullopt;
    return std::vector{std::move(*any), std::move(*all)};
  }
  if (kind == to_string(TargetKind::tracked)) return std::nullopt;  // never in a log
  auto target = Target::from_log(kind, text);
  if (!target) return std::nullopt;
  return std::vector{std::move(*target)};
}

}  // namespace querymark

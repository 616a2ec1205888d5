#include "toml_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "printable.hpp"
#include "querymark/support/error.hpp"
#include "suggest.hpp"
#include "times.hpp"
#include "whole_text.hpp"

namespace querymark::cli {

const toml::node* TomlReader::find(std::string_view key) {
  known_.emplace_back(key);
  return table_.get(key);
}

std::string TomlReader::place(std::string_view key) const {
  const toml::node* node = key.empty() ? nullptr : table_.get(key);
  const toml::source_region& source = node != nullptr ? node->source() : table_.source();
  return fmt::format("{}:{}: ", file_, source.begin.line);
}

void TomlReader::refuse(std::string_view key, const std::string& wanted) const {
  throw ConfigError(fmt::format("{}{} must be {}", place(key), key, wanted));
}

bool TomlReader::read(std::string_view key, std::string& value) {
  const toml::node* node = find(key);
  if (node == nullptr) return false;
  const auto text = node->value_exact<std::string>();
  if (!text) refuse(key, "a text in quotes");
  if (text->empty()) refuse(key, "a text that is not empty");
  value = *text;
  return true;
}

bool TomlReader::read(std::string_view key, bool& value) {
  const toml::node* node = find(key);
  if (node == nullptr) return false;
  const auto flag = node->value_exact<bool>();
  if (!flag) refuse(key, "true or false");
  value = *flag;
  return true;
}

bool TomlReader::read(std::string_view key, double& value) {
  const toml::node* node = find(key);
  if (node == nullptr) return false;
  const auto number = node->is_number() ? node->value<double>() : std::nullopt;
  if (!number) refuse(key, "a number");
  value = *number;
  return true;
}

bool TomlReader::read(std::string_view key, std::uint64_t& value) {
  const toml::node* node = find(key);
  if (node == nullptr) return false;
  const auto number = node->value_exact<std::int64_t>();
  if (!number || *number < 0) refuse(key, "a whole number, and not negative");
  value = static_cast<std::uint64_t>(*number);
  return true;
}

bool TomlReader::read(std::string_view key, std::chrono::milliseconds& value,
                      std::chrono::milliseconds least) {
  const toml::node* node = find(key);
  if (node == nullptr) return false;
  const auto text = node->value_exact<std::string>();
  if (!text) refuse(key, R"(a span of time in quotes, such as "250ms", "5s" or "1h")");
  value = parse_span(*text, place(key) + std::string(key));
  if (value < least) refuse(key, "at least " + about(least));
  return true;
}

bool TomlReader::read_table(std::string_view key, const std::function<void(TomlReader&)>& read) {
  const toml::node* node = find(key);
  if (node == nullptr) return false;
  if (!node->is_table()) refuse(key, fmt::format("a table, [{}]", key));
  TomlReader inner(*node->as_table(), file_);
  read(inner);
  inner.require_known();
  return true;
}

bool TomlReader::read_tables(std::string_view key, const std::function<void(TomlReader&)>& read) {
  const toml::node* node = find(key);
  if (node == nullptr) return false;
  const toml::array* array = node->as_array();
  if (array == nullptr || array->empty() || !array->is_homogeneous(toml::node_type::table))
    refuse(key, fmt::format("a list of tables, each [[{}]]", key));
  for (const toml::node& each : *array) {
    TomlReader inner(*each.as_table(), file_);
    read(inner);
    inner.require_known();
  }
  return true;
}

void TomlReader::require_known() const {
  for (const auto& [key, node] : table_) {
    if (std::ranges::find(known_, key.str()) != known_.end()) continue;
    throw ConfigError(fmt::format("{}unknown key {}; did you mean {}?", place(key.str()),
                                  printable(key.str()), suggest(key.str(), known_)));
  }
}

toml::table read_toml(const std::string& path) {
  constexpr std::size_t kMostMib = 1;  // more than anybody writes into a file of settings by hand
  const std::string text = text_of_file(path, "the file of --config", kMostMib);
  if (text.empty()) throw ConfigError("the file of --config " + path + " is empty");
  try {
    return toml::parse(text, path);
  } catch (const toml::parse_error& failure) {
    throw ConfigError(
        fmt::format("{}:{}: {}", path, failure.source().begin.line, failure.description()));
  }
}

}  // namespace querymark::cli

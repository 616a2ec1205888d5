#pragma once

#include <toml++/toml.h>
#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace querymark::cli {

/// Reads one table of a TOML file, and refuses what is not meant: keys that nobody asked for, values
/// of another type or out of range. All errors are ConfigErrors that begin with the file and the
/// line. The table must outlive it.
class TomlReader {
 public:
  TomlReader(const toml::table& table, std::string file) : table_(table), file_(std::move(file)) {}

  /// Each leaves its target alone where the key is missing, and says whether it is there.
  bool read(std::string_view key, std::string& value);
  bool read(std::string_view key, bool& value);
  bool read(std::string_view key, double& value);
  bool read(std::string_view key, std::uint64_t& value);
  /// A span such as "30s"; at least `least`.
  bool read(std::string_view key, std::chrono::milliseconds& value,
            std::chrono::milliseconds least = {});
  /// A table within this one.
  bool read_table(std::string_view key, const std::function<void(TomlReader&)>& read);
  /// Each of an array of tables, `[[key]]`.
  bool read_tables(std::string_view key, const std::function<void(TomlReader&)>& read);

  /// Call at the end: throws for the first key that was not asked for.
  void require_known() const;
  /// "FILE:LINE: ", of a key or of the table itself.
  [[nodiscard]] std::string place(std::string_view key = {}) const;

 private:
  [[nodiscard]] const toml::node* find(std::string_view key);
  [[noreturn]] void refuse(std::string_view key, const std::string& wanted) const;

  const toml::table& table_;
  std::string file_;
  std::vector<std::string> known_;
};

/// Reads a file. Throws ConfigError, with the line of what is no TOML.
[[nodiscard]] toml::table read_toml(const std::string& path);

}  // namespace querymark::cli

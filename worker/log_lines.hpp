#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace querymark::cli {

using LogValue = std::variant<std::uint64_t, std::string_view>;
using LogFields = std::initializer_list<std::pair<std::string_view, LogValue>>;

/// Log lines on stderr, by spdlog: for people ("worker started db=... namespace=..."), or one JSON
/// object a line.
class LogLines {
 public:
  using Context = std::vector<std::pair<std::string, std::string>>;

  explicit LogLines(bool json);
  /// The same, with these fields at the end of each line.
  [[nodiscard]] LogLines with(Context context) const;
  void info(std::string_view event, LogFields fields = {}) const;
  void warn(std::string_view event, LogFields fields = {}) const;
  void error(std::string_view event, LogFields fields = {}) const;

 private:
  void write(int level, std::string_view event, LogFields fields) const;

  bool json_;
  Context context_;
};

/// Tells on standard error of what went wrong and does not end the program: a line for people, or a
/// log line as a JSON object, with `error` for the text.
void remark(bool json, std::string_view event, const std::string& text);

}  // namespace querymark::cli

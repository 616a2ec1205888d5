#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <variant>

namespace querymark::cli {

using LogValue = std::variant<std::uint64_t, std::string_view>;
using LogFields = std::initializer_list<std::pair<std::string_view, LogValue>>;

/// Log lines on stderr, by spdlog: for people ("worker started db=... namespace=..."), or one JSON
/// object a line.
class LogLines {
 public:
  explicit LogLines(bool json);
  void info(std::string_view event, LogFields fields = {}) const;
  void warn(std::string_view event, LogFields fields = {}) const;
  void error(std::string_view event, LogFields fields = {}) const;

 private:
  bool json_;
};

}  // namespace querymark::cli

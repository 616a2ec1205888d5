#pragma once

#include <string>
#include <vector>

namespace querymark::cli {

/// Rows of text in columns as wide as their widest cell; every cell is made printable. For people;
/// programs take --json.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] bool empty() const noexcept { return rows_.size() == 1; }
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;  // the first: the header
};

}  // namespace querymark::cli

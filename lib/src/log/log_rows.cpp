#include "querymark/log/log_rows.hpp"

#include <utility>

#include "querymark/key/tracked.hpp"

namespace querymark {

void append_row(std::vector<LogRow>& rows, LogRow row, std::string_view kind,
                std::string_view text) {
  auto targets = targets_in_log(kind, text);
  if (!targets) {
    rows.push_back(std::move(row));
    return;
  }
  for (Target& target : *targets) {
    row.target = std::move(target);
    rows.push_back(row);
  }
}

bool cut_page(std::vector<LogRow>& rows, std::size_t limit) {
  std::size_t ids = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i > 0 && rows[i].id == rows[i - 1].id) continue;
    if (++ids <= limit) continue;
    rows.resize(i);
    return true;
  }
  return false;
}

}  // namespace querymark

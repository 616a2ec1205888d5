#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "querymark/sqlite/analyse.hpp"
#include "querymark/support/ascii.hpp"
#include "statement.hpp"

namespace querymark::sqlite {
namespace {

// Goes from one piece of a script to the next: something in quotes, a comment, or one character.
class Pieces {
 public:
  explicit Pieces(std::string_view sql) : sql_(sql) {}

  [[nodiscard]] bool at_end() const noexcept { return at_ >= sql_.size(); }
  [[nodiscard]] std::size_t at() const noexcept { return at_; }
  [[nodiscard]] bool at_comment() const noexcept {
    const std::string_view rest = sql_.substr(at_);
    return rest.starts_with("--") || rest.starts_with("/*");
  }
  void next() {
    const std::string_view rest = sql_.substr(at_);
    const char c = rest.front();
    if (rest.starts_with("--"))
      behind("\n", 2);
    else if (rest.starts_with("/*"))
      behind("*/", 2);
    else if (c == '\'' || c == '"' || c == '`')  // doubled, it ends and begins again
      behind(std::string_view(&c, 1), 1);
    else if (c == '[')
      behind("]", 1);
    else
      ++at_;
  }

 private:
  void behind(std::string_view end, std::size_t begin) {
    const std::size_t found = sql_.find(end, at_ + begin);
    at_ = found == std::string_view::npos ? sql_.size() : found + end.size();
  }

  std::string_view sql_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<SeenQuery> queries_in(std::string_view script) {
  SeenInScript seen;
  std::size_t begin = std::string_view::npos;  // of the statement, behind blanks and comments
  std::size_t end = 0;
  const auto finish = [&] {
    if (begin == std::string_view::npos) return;
    const std::string_view statement = script.substr(begin, end - begin);
    seen.add(statement, ascii::to_lower(first_word(statement)));
    begin = std::string_view::npos;
  };
  for (Pieces pieces(script); !pieces.at_end();) {
    const std::size_t at = pieces.at();
    const bool counts = !pieces.at_comment() && !ascii::is_blank(script[at]);
    const bool ends = counts && script[at] == ';';
    pieces.next();
    if (ends) {
      finish();
    } else if (counts) {
      begin = std::min(begin, at);
      end = pieces.at();
    }
  }
  finish();
  return std::move(seen).take();
}

}  // namespace querymark::sqlite

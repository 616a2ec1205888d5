#include "secrets.hpp"

#include <algorithm>
#include <vector>

#include "querymark/support/ascii.hpp"

namespace querymark::cli {
namespace {

struct TextRange {
  std::size_t begin;
  std::size_t end;
};

// To the end of the word, or of what stands in quotes.
std::size_t value_end(std::string_view text, std::size_t at) {
  if (at < text.size() && text[at] == '\'') return std::min(text.find('\'', at + 1), text.size());
  while (at < text.size() && !ascii::is_blank(text[at]) && text[at] != '&') ++at;
  return at;
}

std::vector<TextRange> secrets_in(std::string_view text) {
  std::vector<TextRange> spans;
  const std::string lower = ascii::to_lower(text);
  static constexpr std::string_view kPassword = "password=";
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::string_view rest = std::string_view(lower).substr(at);
    if (rest.starts_with("://")) {
      const std::size_t end = value_end(text, at + 3);
      const std::string_view word = text.substr(0, end);
      const std::size_t last_at = word.rfind('@');
      const std::size_t colon = word.find(':', at + 3);
      if (last_at != std::string_view::npos && colon != std::string_view::npos && colon < last_at)
        spans.push_back({colon + 1, last_at});
    } else if (rest.starts_with(kPassword)) {
      spans.push_back({at + kPassword.size(), value_end(text, at + kPassword.size())});
    } else {
      continue;
    }
    if (!spans.empty()) at = std::max(at, spans.back().end);
  }
  return spans;
}

}  // namespace

std::string without_secrets(std::string_view text) {
  std::string out;
  std::size_t copied = 0;
  for (const TextRange span : secrets_in(text)) {
    out.append(text.substr(copied, span.begin - copied)).append("***");
    copied = span.end;
  }
  return out.append(text.substr(copied));
}

void hide_secrets(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    for (const TextRange span : secrets_in(argv[i]))
      std::fill(argv[i] + span.begin, argv[i] + span.end, '*');
}

}  // namespace querymark::cli

#pragma once  // For writers of ports.

#include <string>
#include <string_view>

namespace querymark {

/// The beginning of `text`, at most `longest` bytes, that ends with a whole letter of UTF-8.
[[nodiscard]] inline std::string_view beginning(std::string_view text,
                                                std::size_t longest) noexcept {
  if (text.size() <= longest) return text;
  while (longest > 0 && (static_cast<unsigned char>(text[longest]) & 0xC0U) == 0x80U) --longest;
  return text.substr(0, longest);
}

/// The same for messages: "..." stands for what is left out.
[[nodiscard]] inline std::string excerpt(std::string_view text, std::size_t longest) {
  const std::string_view shown = beginning(text, longest);
  return std::string(shown) + (shown.size() < text.size() ? "..." : "");
}

}  // namespace querymark

// A connection URL, as somebody typed it: taken apart, or refused; its password is never shown.

#include <exception>

#include "connect_string.hpp"
#include "fuzz/fuzz.hpp"
#include "querymark/support/error.hpp"

using namespace querymark;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string url(fuzz::view_of(data, size));
  if (url.find('\0') != std::string::npos) return 0;  // libpq ends a text there
  postgres::ConnectString parsed;
  try {
    parsed = postgres::parse_url(url, std::chrono::milliseconds(1000));
  } catch (const ConfigError&) {  // refused, as most are
    return 0;
  }
  const auto again = postgres::parse_url(parsed.keywords, std::chrono::milliseconds(1000));
  fuzz::require(again.keywords == parsed.keywords, "its own keywords mean the same");
  fuzz::require(again.label == parsed.label, "and are shown alike");
  fuzz::require(again.secrets == parsed.secrets, "and keep the passwords");
  return 0;
}

#include "times.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

#include "querymark/support/error.hpp"

namespace querymark::cli {
namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr std::array<std::pair<std::string_view, std::int64_t>, 6> kUnits{{
    {"ms", 1},
    {"s", 1000},
    {"min", 60'000},
    {"h", 3'600'000},
    {"d", 86'400'000},
    {"", 1000},
}};

}  // namespace

std::string to_text(WallTime time) {
  if (time == WallTime::max()) return "never";
  const std::int64_t all = time.time_since_epoch().count();
  const std::int64_t left = ((all % 1000) + 1000) % 1000;
  const auto seconds = static_cast<std::time_t>(all / 1000 - (all % 1000 < 0 ? 1 : 0));
  std::tm parts{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return fmt::format("{} ms since 1970", all);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", parts, left);
}

std::string about(Milliseconds span) {
  const auto count = static_cast<double>(span.count());
  if (std::abs(count) < 1000) return fmt::format("{} ms", span.count());
  if (std::abs(count) < 60'000) return fmt::format("{:.1f} s", count / 1000);
  if (std::abs(count) < 7'200'000) return fmt::format("{:.0f} min", count / 60'000);
  if (std::abs(count) < 172'800'000) return fmt::format("{:.0f} h", count / 3'600'000);
  return fmt::format("{:.0f} d", count / 86'400'000);
}

Milliseconds parse_span(std::string_view text, const std::string& what) {
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  for (const auto& [name, factor] : kUnits) {
    std::int64_t product = 0;
    if (failed == std::errc() && unit == name && number >= 0 &&
        !__builtin_mul_overflow(number, factor, &product))
      return Milliseconds(product);
  }
  throw ConfigError(what + " is no span of time: " + std::string(text) +
                    "; write it as 250ms, 5s, 2min, 1h or 7d");
}

}  // namespace querymark::cli

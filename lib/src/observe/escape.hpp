#pragma once

#include <string>
#include <string_view>

namespace querymark::detail {

/// UTF-8 in double quotes, as JSON has it.
[[nodiscard]] std::string json_string(std::string_view text);
/// The same as Prometheus has a label's value.
[[nodiscard]] std::string prometheus_string(std::string_view text);
/// A comment of Prometheus' format: without quotes.
[[nodiscard]] std::string prometheus_help(std::string_view text);

}  // namespace querymark::detail

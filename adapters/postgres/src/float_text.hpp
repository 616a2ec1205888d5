#pragma once

#include <string>

namespace querymark::postgres {

/// A number as PostgreSQL spells it: double precision, and real. `NaN` has no sign.
[[nodiscard]] std::string float_text(double value);
[[nodiscard]] std::string float_text(float value);

}  // namespace querymark::postgres

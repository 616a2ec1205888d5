#include "float_text.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

// The server writes the shortest digits that lie *between* the midpoints to the number's neighbours
// (src/common/d2s.c); std::to_chars takes a midpoint itself where reading it back would round to
// the number. 1e23 is one, and to the server 9.999999999999999e+22.

namespace querymark::postgres {
namespace {

__extension__ using Wide = unsigned __int128;

// digits x 10^exponent
struct Decimal {
  bool negative = false;
  std::string digits;
  int exponent = 0;

  /// Where the point of the scientific notation stands.
  [[nodiscard]] int magnitude() const noexcept {
    return exponent + static_cast<int>(digits.size()) - 1;
  }
};

// odd x 2^exponent
struct Midpoint {
  std::uint64_t odd = 1;
  int exponent = 0;
};

Decimal parsed(std::string_view scientific) {
  Decimal decimal;
  if (scientific.starts_with('-')) {
    decimal.negative = true;
    scientific.remove_prefix(1);
  }
  const std::size_t e = scientific.find('e');
  for (const char c : scientific.substr(0, e))
    if (c != '.') decimal.digits += c;
  std::string_view exponent = scientific.substr(e + 1);
  if (exponent.starts_with('+')) exponent.remove_prefix(1);
  std::from_chars(exponent.data(), exponent.data() + exponent.size(), decimal.exponent);
  decimal.exponent -= static_cast<int>(decimal.digits.size()) - 1;
  while (decimal.digits.size() > 1 && decimal.digits.back() == '0') {
    decimal.digits.pop_back();
    ++decimal.exponent;
  }
  return decimal;
}

// Exact: 5^24 divides no midpoint, and 17 digits hold none of a smaller fraction.
bool equal(const Decimal& decimal, Midpoint midpoint) {
  constexpr int kMostFives = 24;
  if (std::abs(decimal.exponent) > kMostFives) return false;
  Wide left = std::stoull(decimal.digits);
  Wide right = midpoint.odd;
  for (int i = 0; i < std::abs(decimal.exponent); ++i) (decimal.exponent > 0 ? left : right) *= 5;
  const int shift = midpoint.exponent - decimal.exponent;
  if (shift < 0) return false;  // what is odd has no factor of two
  return shift < 64 && right <= (left >> static_cast<unsigned>(shift)) &&
         right << static_cast<unsigned>(shift) == left;
}

// The two midpoints around a finite number that is not zero.
template <class Float>
std::pair<Midpoint, Midpoint> midpoints(Float value) {
  constexpr int kDigits = std::numeric_limits<Float>::digits;
  constexpr int kLowest = std::numeric_limits<Float>::min_exponent - kDigits;
  int exponent = 0;
  const Float fraction = std::frexp(std::fabs(value), &exponent);
  exponent = std::max(exponent - kDigits, kLowest);
  const auto units =
      static_cast<std::uint64_t>(std::ldexp(std::fabs(value), -exponent));  // whole: exact
  // Below a power of two the neighbour is half as far.
  const bool power = fraction == Float(0.5) && exponent > kLowest;
  const Midpoint lower =
      power ? Midpoint{4 * units - 1, exponent - 2} : Midpoint{2 * units - 1, exponent - 1};
  return {lower, {2 * units + 1, exponent - 1}};
}

template <class Float>
Decimal shortest(Float value) {
  const auto [lower, upper] = midpoints(value);
  std::array<char, 64> text;
  auto end = std::to_chars(text.begin(), text.end(), value, std::chars_format::scientific).ptr;
  Decimal decimal = parsed({text.begin(), end});
  for (int places = static_cast<int>(decimal.digits.size());
       equal(decimal, lower) || equal(decimal, upper); ++places) {
    end = std::to_chars(text.begin(), text.end(), value, std::chars_format::scientific, places).ptr;
    decimal = parsed({text.begin(), end});
  }
  return decimal;
}

template <class Float>
std::string spelled(Float value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  if (value == 0) return std::signbit(value) ? "-0" : "0";
  const Decimal decimal = shortest(value);
  const std::string& digits = decimal.digits;
  const int magnitude = decimal.magnitude();
  std::string text = decimal.negative ? "-" : "";
  if (magnitude < -4 || magnitude >= std::numeric_limits<Float>::digits10) {
    text += digits[0];
    if (digits.size() > 1) text.append(".").append(digits, 1);
    const std::string exponent = std::to_string(std::abs(magnitude));
    text.append(magnitude < 0 ? "e-" : "e+").append(exponent.size() < 2 ? "0" : "");
    return text + exponent;
  }
  const auto before = static_cast<std::size_t>(std::max(magnitude + 1, 0));
  if (magnitude < 0)
    return text.append("0.").append(static_cast<std::size_t>(-magnitude - 1), '0') + digits;
  if (digits.size() <= before) return text + digits + std::string(before - digits.size(), '0');
  return text.append(digits, 0, before).append(".").append(digits, before);
}

}  // namespace

std::string float_text(double value) { return spelled(value); }
std::string float_text(float value) { return spelled(value); }

}  // namespace querymark::postgres

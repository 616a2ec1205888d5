#include "querymark/key/time_values.hpp"

#include <fmt/format.h>

#include <charconv>

#include "querymark/support/error.hpp"

namespace querymark::detail {
namespace {

using std::chrono::days;
using std::chrono::microseconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr sys_days kFirst{std::chrono::year{1} / 1 / 1};
constexpr sys_days kLast{std::chrono::year{9999} / 12 / 31};

// Reads a text from its front. After the first failure all further reads fail.
class Scanner {
 public:
  explicit Scanner(std::string_view text) noexcept : rest_(text) {}

  // A number of exactly `digits` digits.
  int number(std::size_t digits) noexcept {
    int value = 0;
    if (rest_.size() < digits || rest_.find_first_not_of("0123456789") < digits) return fail();
    std::from_chars(rest_.data(), rest_.data() + digits, value);
    rest_.remove_prefix(digits);
    return value;
  }
  // True if the next is one of `any`, which is then taken.
  bool take(std::string_view any) noexcept {
    if (rest_.empty() || any.find(rest_.front()) == std::string_view::npos) return false;
    taken_ = rest_.front();
    rest_.remove_prefix(1);
    return true;
  }
  void expect(std::string_view any) noexcept {
    if (!take(any)) fail();
  }
  void require(bool condition) noexcept {
    if (!condition) fail();
  }
  // The digits that follow, as the fraction of a second.
  microseconds fraction() noexcept {
    int digits = 0;
    std::int64_t value = 0;
    for (; take("0123456789"); ++digits)
      if (digits < 6) value = value * 10 + (taken_ - '0');
    if (digits == 0) fail();
    for (; digits < 6; ++digits) value *= 10;
    return microseconds(value);
  }
  [[nodiscard]] char taken() const noexcept { return taken_; }
  [[nodiscard]] bool good() const noexcept { return good_; }
  [[nodiscard]] bool at_end() const noexcept { return good_ && rest_.empty(); }

 private:
  int fail() noexcept {
    good_ = false;
    rest_ = {};
    return 0;
  }
  std::string_view rest_;
  char taken_ = 0;
  bool good_ = true;
};

microseconds time_of_day(Scanner& scanner) noexcept {
  const int hour = scanner.number(2);
  scanner.expect(":");
  const int minute = scanner.number(2);
  int second = 0;
  microseconds fraction{0};
  if (scanner.take(":")) {
    second = scanner.number(2);
    if (scanner.take(".")) fraction = scanner.fraction();
  }
  scanner.require(hour < 24 && minute < 60 && second < 60);
  return std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second) +
         fraction;
}

microseconds offset_from_utc(Scanner& scanner) noexcept {
  scanner.take(" ");
  if (scanner.take("Zz") || !scanner.take("+-")) return microseconds(0);
  const int sign = scanner.taken() == '-' ? -1 : 1;
  std::chrono::seconds offset = std::chrono::hours(scanner.number(2));
  if (scanner.take(":")) offset += std::chrono::minutes(scanner.number(2));
  if (scanner.take(":")) offset += std::chrono::seconds(scanner.number(2));
  return sign * offset;
}

}  // namespace

std::string date_text(sys_days day) {
  const year_month_day date(day);
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::string time_text(Microseconds time) {
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::hh_mm_ss clock(time - day);
  std::string text = fmt::format("{} {:02}:{:02}:{:02}", date_text(day), clock.hours().count(),
                                 clock.minutes().count(), clock.seconds().count());
  const auto fraction = clock.subseconds().count();
  if (fraction % 1000 != 0) return text + fmt::format(".{:06}", fraction);
  if (fraction != 0) return text + fmt::format(".{:03}", fraction / 1000);
  return text;
}

std::optional<Microseconds> parse_time(std::string_view text) noexcept {
  Scanner scanner(text);
  const std::chrono::year year(scanner.number(4));
  scanner.expect("-");
  const std::chrono::month month(static_cast<unsigned>(scanner.number(2)));
  scanner.expect("-");
  const std::chrono::day day(static_cast<unsigned>(scanner.number(2)));
  const year_month_day date(year, month, day);
  if (!scanner.good() || !date.ok()) return std::nullopt;
  Microseconds time = sys_days(date);
  if (scanner.at_end()) return time;
  scanner.expect(" T");
  time += time_of_day(scanner);
  time -= offset_from_utc(scanner);
  if (!scanner.at_end()) return std::nullopt;
  return time;
}

sys_days checked_day(sys_days day) {
  if (day < kFirst || day > kLast)
    throw ConfigError("a point in time must lie in the years 1 to 9999");
  return day;
}

OwnedParameter BuiltInParameter<year_month_day>::view(year_month_day value) {
  if (!value.ok()) throw ConfigError("a parameter is a date that no calendar has");
  return BuiltInParameter<sys_days>::view(sys_days(value));
}

}  // namespace querymark::detail

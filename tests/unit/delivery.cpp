// The life of a delivery: what may happen to it in which state, and what a failure leads to.

#include "querymark/log/delivery.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <set>
#include <string_view>
#include <type_traits>

#include "querymark/deliver/retry_policy.hpp"
#include "querymark/support/error.hpp"

namespace {

using namespace querymark;
using namespace querymark::delivery;
using namespace std::chrono_literals;

// What compiles. Each line says of one step from which states it can be taken.
template <class D>
concept Claims = requires(D d) { std::move(d).claim(); };
template <class D>
concept Begins = requires(D d) { std::move(d).begin(); };
template <class D>
concept Unclaims = requires(D d) { std::move(d).unclaim(); };
template <class D>
concept Succeeds = requires(D d) { std::move(d).succeed(); };
template <class D>
concept Fails = requires(D d) { std::move(d).fail(std::string()); };
template <class D>
concept GoesAgain = requires(D d) { std::move(d).again(WallTime()); };
template <class D>
concept Dies = requires(D d) { std::move(d).die(); };
template <class D>
concept Expires = requires(D d) { std::move(d).expire(); };
template <class D>
concept Supersedes = requires(D d) { std::move(d).supersede(); };
template <class D>
concept Cancels = requires(D d) { std::move(d).cancel(); };
template <class D>
concept Discards = requires(D d) { std::move(d).discard(); };
template <class D>
concept Retries = requires(D d) { std::move(d).retry(WallTime()); };

/// Letters, at compile time.
struct Letters {
  std::array<char, 12> letters{};
  std::size_t count = 0;
  constexpr void operator+=(char letter) { letters.at(count++) = letter; }
  [[nodiscard]] constexpr bool operator==(std::string_view text) const {
    return std::string_view(letters.data(), count) == text;
  }
  [[nodiscard]] constexpr bool empty() const { return count == 0; }
};

/// The steps that compile from a state, one letter each.
template <class State>
constexpr Letters steps() {
  using D = Delivery<State>;
  Letters found;
  if (Claims<D>) found += 'c';
  if (Begins<D>) found += 'b';
  if (Unclaims<D>) found += 'u';
  if (Succeeds<D>) found += 's';
  if (Fails<D>) found += 'f';
  if (GoesAgain<D>) found += 'a';
  if (Dies<D>) found += 'D';
  if (Expires<D>) found += 'E';
  if (Supersedes<D>) found += 'p';
  if (Cancels<D>) found += 'x';
  if (Discards<D>) found += 'd';
  if (Retries<D>) found += 'r';
  return found;
}

static_assert(steps<Pending>() == "cpx");
static_assert(steps<Claimed>() == "bup");
static_assert(steps<Processing>() == "sf");
static_assert(steps<Failed>() == "aDE");
static_assert(steps<Dead>() == "xdr");
static_assert(steps<Expired>() == "r");
static_assert(steps<Applied>().empty() && steps<Cancelled>().empty());
static_assert(steps<Superseded>().empty() && steps<Discarded>().empty());
// A delivery that was moved on can't be used again by accident: it can't be copied, and each step
// asks for an rvalue.
static_assert(!std::is_copy_constructible_v<Delivery<Pending>>);
static_assert(!std::is_copy_assignable_v<Delivery<Pending>>);
template <class D>
concept StepsInPlace = requires(D& d) { d.claim(); };
static_assert(!StepsInPlace<Delivery<Pending>>);

// What is recorded of an operator's decision is what the types let him make.
template <class State>
bool decides_as(DeliveryState state) {
  const auto may = [&](Decision decision) { return decided(state, decision).has_value(); };
  using D = Delivery<State>;
  return may(Decision::cancel) == Cancels<D> && may(Decision::discard) == Discards<D> &&
         may(Decision::retry) == Retries<D>;
}

DeliveryRecord record() {
  return {.id = 7,
          .target = entity("product", 7),
          .epoch = {},
          .first_position = {90},
          .position = {100},
          .attempts = 0,
          .available_at = WallTime(1000ms),
          .deadline = WallTime(60'000ms),
          .last_error = {}};
}

}  // namespace

TEST_CASE("delivery: an attempt counts when it is claimed, and is given back when it never ran",
          "[delivery]") {
  Delivery<Claimed> claimed = Delivery<Pending>(record()).claim();
  CHECK(claimed.record().attempts == 1);
  const Delivery<Pending> back = std::move(claimed).unclaim();
  CHECK(back.record().attempts == 0);
  CHECK(back.record().target == entity("product", 7));
}

TEST_CASE("delivery: what fails keeps its error and its attempts, whatever it leads to",
          "[delivery]") {
  const auto failed = [] { return Delivery<Pending>(record()).claim().begin().fail("refused"); };
  const Delivery<Pending> again = failed().again(WallTime(2100ms));
  CHECK(again.record().available_at == WallTime(2100ms));
  CHECK(again.record().attempts == 1);
  CHECK(again.record().last_error == "refused");
  CHECK(failed().die().record().last_error == "refused");
  CHECK(failed().expire().record().attempts == 1);
}

TEST_CASE("delivery: an operator's retry begins anew", "[delivery]") {
  DeliveryRecord before = record();
  before.attempts = 10;
  const Delivery<Pending> again = Delivery<Dead>(std::move(before)).retry(WallTime(5000ms));
  CHECK(again.record().attempts == 0);
  CHECK(again.record().available_at == WallTime(5000ms));
}

TEST_CASE("delivery: a decision may be made where the types have the step", "[delivery]") {
  CHECK(decides_as<Pending>(DeliveryState::pending));
  CHECK(decides_as<Claimed>(DeliveryState::claimed));
  CHECK(decides_as<Dead>(DeliveryState::dead));
  CHECK(decides_as<Expired>(DeliveryState::expired));
  CHECK(decides_as<Cancelled>(DeliveryState::cancelled));
  CHECK(decides_as<Superseded>(DeliveryState::superseded));
  CHECK(decides_as<Discarded>(DeliveryState::discarded));
  CHECK(decided(DeliveryState::pending, Decision::cancel) == DeliveryState::cancelled);
  CHECK(decided(DeliveryState::dead, Decision::discard) == DeliveryState::discarded);
  CHECK(decided(DeliveryState::expired, Decision::retry) == DeliveryState::pending);
}

TEST_CASE("delivery: the names of states read back, and nothing else does", "[delivery]") {
  for (const DeliveryState state :
       {DeliveryState::pending, DeliveryState::claimed, DeliveryState::dead, DeliveryState::expired,
        DeliveryState::cancelled, DeliveryState::superseded, DeliveryState::discarded})
    CHECK(delivery_state(to_string(state)) == state);
  CHECK_FALSE(delivery_state(""));
  CHECK_FALSE(delivery_state("Pending"));
  CHECK_FALSE(delivery_state("applied"));
}

TEST_CASE("retry policy: pauses double up to the cap, with full jitter", "[delivery]") {
  const RetryPolicy policy{.start = 50ms, .cap = 1s};
  CHECK(policy.ceiling(0) == 50ms);
  CHECK(policy.ceiling(1) == 50ms);
  CHECK(policy.ceiling(2) == 100ms);
  CHECK(policy.ceiling(5) == 800ms);
  CHECK(policy.ceiling(6) == 1s);
  CHECK(policy.ceiling(~0U) == 1s);
  std::set<std::chrono::milliseconds> seen;
  for (std::uint64_t random = 0; random < 2000; ++random) {
    const auto pause = policy.pause(2, random * 0x9E3779B97F4A7C15ULL);
    CHECK(pause >= 1ms);
    CHECK(pause <= 100ms);
    seen.insert(pause);
  }
  CHECK(seen.size() == 100);  // the whole range, evenly: full jitter
}

TEST_CASE("retry policy: a failure leads to a later attempt, to death, or past the deadline",
          "[delivery]") {
  const RetryPolicy policy{.max_attempts = 3};
  const auto verdict = [&](FailureKind kind, unsigned attempts, std::chrono::milliseconds next) {
    return policy.verdict(kind, attempts, WallTime(60s), WallTime(next));
  };
  CHECK(verdict(FailureKind::retriable, 1, 1s) == RetryVerdict::retry);
  CHECK(verdict(FailureKind::retriable, 2, 1s) == RetryVerdict::retry);
  CHECK(verdict(FailureKind::retriable, 3, 1s) == RetryVerdict::exhausted);
  CHECK(verdict(FailureKind::retriable, 4, 1s) == RetryVerdict::exhausted);
  CHECK(verdict(FailureKind::permanent, 1, 1s) == RetryVerdict::refused);
  CHECK(verdict(FailureKind::retriable, 1, 60s) == RetryVerdict::retry);
  CHECK(verdict(FailureKind::retriable, 1, 60'001ms) == RetryVerdict::expired);
}

TEST_CASE("retry policy: without a limit only the deadline ends it", "[delivery]") {
  const RetryPolicy policy{.max_attempts = 0, .deadline_margin = 1s};
  CHECK(policy.verdict(FailureKind::retriable, ~0U, WallTime(2s), WallTime(1s)) ==
        RetryVerdict::retry);
  CHECK(policy.verdict(FailureKind::retriable, 1, WallTime(2s), WallTime(1001ms)) ==
        RetryVerdict::expired);
  CHECK(policy.verdict(FailureKind::permanent, 1, WallTime(2s), WallTime(1s)) ==
        RetryVerdict::refused);
}

TEST_CASE("retry policy: what makes no sense is refused", "[delivery]") {
  CHECK_NOTHROW(RetryPolicy().require_sane());
  CHECK_THROWS_AS((RetryPolicy{.factor = 0.5}.require_sane()), ConfigError);
  CHECK_THROWS_AS((RetryPolicy{.factor = std::nan("")}.require_sane()), ConfigError);
  CHECK_THROWS_AS((RetryPolicy{.start = 0ms}.require_sane()), ConfigError);
  CHECK_THROWS_AS((RetryPolicy{.start = 2s, .cap = 1s}.require_sane()), ConfigError);
}

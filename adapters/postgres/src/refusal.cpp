#include "refusal.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string_view>

#include "handle.hpp"
#include "querymark/support/ascii.hpp"

namespace querymark::postgres {
namespace {

using std::chrono::steady_clock;

// False when the deadline passes first.
bool await(int socket, short events, steady_clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd state{socket, events, 0};
    const int ready = ::poll(&state, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

// With PQERRORS_SQLSTATE a message of the server is "SEVERITY:  XXXXX", in any language.
std::string last_state(std::string_view message) {
  constexpr std::size_t kLength = 5;
  while (!message.empty() && ascii::is_blank(message.back())) message.remove_suffix(1);
  if (message.size() < kLength + 2) return {};
  const std::string_view state = message.substr(message.size() - kLength);
  const bool plain = std::ranges::all_of(
      state, [](char c) { return ascii::is_digit(c) || (c >= 'A' && c <= 'Z'); });
  if (!plain || message.substr(message.size() - kLength - 2, 2) != "  ") return {};
  return std::string(state);
}

}  // namespace

std::string state_of_refusal(const std::string& keywords) {
  const auto deadline = steady_clock::now() + std::chrono::seconds(1);
  const ConnectionHandle attempt(PQconnectStart(keywords.c_str()));
  if (!attempt) return {};
  PQsetErrorVerbosity(attempt.get(), PQERRORS_SQLSTATE);
  if (PQstatus(attempt.get()) == CONNECTION_BAD) return {};
  for (auto wants = PGRES_POLLING_WRITING;;) {
    if (!await(PQsocket(attempt.get()), wants == PGRES_POLLING_READING ? POLLIN : POLLOUT,
               deadline))
      return {};
    wants = PQconnectPoll(attempt.get());
    if (wants == PGRES_POLLING_OK) return {};
    if (wants == PGRES_POLLING_FAILED) return last_state(PQerrorMessage(attempt.get()));
  }
}

}  // namespace querymark::postgres

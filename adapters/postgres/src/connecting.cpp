#include "connecting.hpp"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <memory>
#include <new>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "querymark/support/ascii.hpp"

namespace querymark::postgres {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

struct FreeOptions {
  void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};
using ConninfoOptions = std::unique_ptr<PQconninfoOption, FreeOptions>;

std::string_view value_of(const PQconninfoOption* options, std::string_view keyword) {
  for (; options != nullptr && options->keyword != nullptr; ++options)
    if (options->keyword == keyword && options->val != nullptr) return options->val;
  return {};
}

// What libpq takes a value to be, be it of the text or the environment.
std::string option_of(PGconn* connection, std::string_view keyword) {
  const ConninfoOptions all(PQconninfo(connection));
  return std::string(value_of(all.get(), keyword));
}

// Nothing: for ever. libpq counts whole seconds and takes 1 for 2.
std::optional<seconds> patience_of(PGconn* connection) {
  const std::string text = option_of(connection, "connect_timeout");
  int count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  if (count <= 0) return std::nullopt;
  return seconds(std::max(count, 2));
}

bool await(int socket, PostgresPollingStatusType wants,
           std::optional<steady_clock::time_point> deadline) {
  for (;;) {
    int left = -1;
    if (deadline) {
      const auto span =
          std::chrono::ceil<std::chrono::milliseconds>(*deadline - steady_clock::now());
      if (span.count() <= 0) return false;
      left = static_cast<int>(span.count());
    }
    const bool reads = wants == PGRES_POLLING_READING;
    pollfd state{socket, static_cast<short>(reads ? POLLIN : POLLOUT), 0};
    const int ready = ::poll(&state, 1, left);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

bool is_state(std::string_view text) {
  return std::ranges::all_of(text,
                             [](char c) { return ascii::is_digit(c) || (c >= 'A' && c <= 'Z'); });
}

// With PQERRORS_VERBOSE a message of the server is "SEVERITY:  XXXXX: text" in any language, and a line that says where
// in the server's source it was made may follow. Takes both away and returns the last code.
std::string take_state(std::string& message) {
  constexpr std::size_t kState = 5;
  std::string state;
  std::string told;
  bool servers = false;  // the line before is the server's
  for (std::string_view rest = message; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    std::size_t code = line.find(":  ");
    if (code != std::string_view::npos) code += 3;
    const bool coded = code != std::string_view::npos && line.size() > code + kState + 2 &&
                       is_state(line.substr(code, kState)) && line.substr(code + kState, 2) == ": ";
    if (coded) {
      state = line.substr(code, kState);
      told.append(line.substr(0, code)).append(line.substr(code + kState + 2));
    } else if (servers && line.find(".c:") != std::string_view::npos) {
      continue;
    } else {
      told.append(line);
    }
    servers = servers || coded;
    told += '\n';
  }
  message = std::move(told);
  return state;
}

struct Attempt {
  Connected result;
  bool timed_out = false;
};

Attempt attempt(const std::string& keywords) {
  Attempt made{.result = {ConnectionHandle(PQconnectStart(keywords.c_str()))}};
  PGconn* const connection = made.result.connection.get();
  if (connection == nullptr) throw std::bad_alloc();
  PQsetNoticeReceiver(connection, [](void*, const PGresult*) {}, nullptr);
  PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);
  const auto patience = patience_of(connection);
  std::optional<std::string> address;  // each has its time
  std::optional<steady_clock::time_point> deadline;
  for (auto wants = PGRES_POLLING_WRITING; PQstatus(connection) != CONNECTION_BAD;) {
    const char* const present = PQhostaddr(connection);
    if (const std::string now = present == nullptr ? "" : present; now != address) {
      address = now;
      if (patience) deadline = steady_clock::now() + *patience;
    }
    if (!await(PQsocket(connection), wants, deadline)) {
      made.timed_out = true;
      const std::string where = address->empty() ? PQhost(connection) : *address;
      made.result.refusal = "the server at " + where + " has not answered: timeout expired";
      return made;
    }
    wants = PQconnectPoll(connection);
    if (wants == PGRES_POLLING_FAILED) break;
    if (wants != PGRES_POLLING_OK) continue;
    PQsetErrorVerbosity(connection, PQERRORS_DEFAULT);
    return made;
  }
  made.result.refusal = PQerrorMessage(connection);
  made.result.state = take_state(made.result.refusal);
  return made;
}

// The addresses that libpq would have gone on to behind the one that has not answered, in its order.
std::vector<std::string> addresses_behind(PGconn* connection) {
  const char* const silent = PQhostaddr(connection);
  const char* const host = PQhost(connection);
  std::vector<std::string> behind;
  if (silent == nullptr || host == nullptr || !option_of(connection, "hostaddr").empty())
    return behind;
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host, nullptr, &wanted, &found) != 0) return behind;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, &::freeaddrinfo);
  bool passed = false;
  for (const addrinfo* one = all.get(); one != nullptr; one = one->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) != 0)
      continue;
    if (passed) behind.emplace_back(text.data());
    passed = passed || std::string_view(text.data()) == silent;
  }
  return behind;
}

// A service may name hosts of its own.
bool names_several(const ConninfoOptions& options) {
  for (const std::string_view keyword : {"host", "hostaddr"})
    if (value_of(options.get(), keyword).find(',') != std::string_view::npos) return true;
  return !value_of(options.get(), "service").empty();
}

bool has_several_hosts(const std::string& keywords) {
  return names_several(ConninfoOptions(PQconninfoParse(keywords.c_str(), nullptr))) ||
         names_several(ConninfoOptions(PQconndefaults()));  // of the environment
}

Connected connect_to_one_of(const std::string& keywords) {
  const auto began = steady_clock::now();
  Connected result{ConnectionHandle(PQconnectdb(keywords.c_str()))};
  if (!result.connection) throw std::bad_alloc();
  if (PQstatus(result.connection.get()) == CONNECTION_OK) return result;
  result.refusal = PQerrorMessage(result.connection.get());
  // Who was left waiting by a dead host is not made to wait again.
  if (steady_clock::now() - began < seconds(1)) result.state = attempt(keywords).result.state;
  return result;
}

}  // namespace

Connected connect(const std::string& keywords) {
  if (has_several_hosts(keywords)) return connect_to_one_of(keywords);
  Attempt made = attempt(keywords);
  if (!made.timed_out) return std::move(made.result);
  for (const std::string& address : addresses_behind(made.result.connection.get())) {
    Attempt next = attempt(keywords + "hostaddr='" + address + "' ");
    next.result.refusal = made.result.refusal + '\n' + next.result.refusal;
    made = std::move(next);
    const bool answered = !made.result.state.empty();
    if (answered || PQstatus(made.result.connection.get()) == CONNECTION_OK) break;
  }
  return std::move(made.result);
}

}  // namespace querymark::postgres

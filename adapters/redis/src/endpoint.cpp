#include "endpoint.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "querymark/support/ascii.hpp"
#include "querymark/support/bytes.hpp"
#include "querymark/support/error.hpp"

namespace querymark::redis {
namespace {

[[noreturn]] void refuse(const std::string& why) {
  throw ConfigError("the URL of a Redis server can't be read: " + why +
                    "; use redis://USER:PASSWORD@HOST:PORT/DATABASE, rediss://… for TLS, "
                    "unix:PATH?db=DATABASE, or redis+cluster://USER:PASSWORD@HOST:PORT,HOST:PORT");
}

std::string unescaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.front() != '%') {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    const auto byte = text.size() < 3 ? std::nullopt : from_hex(text.substr(1, 2));
    if (!byte) refuse("a % must be followed by two hexadecimal digits (% itself is %25)");
    out += *byte;
    text.remove_prefix(3);
  }
  if (out.find('\0') != std::string::npos) refuse("it holds a NUL");
  return out;
}

bool is_plain(char c) {
  return ascii::is_letter(c) || ascii::is_digit(c) || c == '_' || c == '-' || c == '.';
}

int number(std::string_view text, int most, const char* what) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > most)
    refuse(std::string(what) + " must be a number from 0 to " + std::to_string(most));
  return value;
}

constexpr int kMostDatabases = 1'000'000;

// The rest behind the last `@`: a password may hold one unescaped.
std::string_view take_user(Endpoint& endpoint, std::string_view authority) {
  const std::size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return authority;
  const std::string_view who = authority.substr(0, at);
  const std::size_t colon = who.find(':');
  endpoint.user = unescaped(who.substr(0, colon));
  if (colon != std::string_view::npos) endpoint.password = unescaped(who.substr(colon + 1));
  if (!endpoint.user.empty() && endpoint.password.empty()) refuse("a user needs a password");
  return authority.substr(at + 1);
}

void take_host(Endpoint& endpoint, std::string_view host) {
  std::string_view port;
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos) refuse("a [ has no ]");
    port = host.substr(end + 1);
    host = host.substr(1, end - 1);
  } else {
    const std::size_t colon = host.find(':');
    if (host.find(':', colon + 1) != std::string_view::npos && colon != std::string_view::npos)
      refuse("an IPv6 address stands in brackets");
    if (colon != std::string_view::npos) port = host.substr(colon);
    host = host.substr(0, colon);
  }
  if (!port.empty() && port.front() != ':') refuse("behind ] stands a port or nothing");
  endpoint.host = unescaped(host);
  // The colons of an IPv6 address, and the percent sign before its zone.
  const bool ip6 = endpoint.host.find(':') != std::string::npos;
  if (!std::ranges::all_of(endpoint.host,
                           [&](char c) { return is_plain(c) || (ip6 && (c == ':' || c == '%')); }))
    refuse("its host has a character that no host's name has");
  if (endpoint.host.empty()) refuse("it names no host");
  endpoint.port =
      port.empty() ? "6379" : std::to_string(number(port.substr(1), 65'535, "the port"));
}

// `rest` is what stands behind the scheme and its colon.
Endpoint tcp(std::string_view rest) {
  Endpoint endpoint;
  if (!rest.starts_with("//")) refuse("behind the scheme stands ://");
  rest.remove_prefix(2);
  // What comes before the last @ may hold slashes only where somebody forgot to escape a password.
  const std::size_t slash = rest.find('/', rest.rfind('@') + 1);
  take_host(endpoint, take_user(endpoint, rest.substr(0, slash)));
  if (slash != std::string_view::npos && slash + 1 < rest.size())
    endpoint.database = number(rest.substr(slash + 1), kMostDatabases, "the database");
  return endpoint;
}

// The same with several hosts, and the one database that a cluster has.
Servers cluster(std::string_view rest, Endpoint::Transport transport) {
  if (!rest.starts_with("//")) refuse("behind the scheme stands ://");
  rest.remove_prefix(2);
  Endpoint who{.transport = transport};
  std::string_view hosts = take_user(who, rest);
  if (const std::size_t slash = hosts.find('/'); slash != std::string_view::npos) {
    if (const std::string_view database = hosts.substr(slash + 1);
        !database.empty() && database != "0")
      refuse("a cluster has the database 0 alone");
    hosts = hosts.substr(0, slash);
  }
  Servers servers{.cluster = true};
  for (;;) {
    const std::size_t comma = hosts.find(',');
    take_host(servers.endpoints.emplace_back(who), hosts.substr(0, comma));
    if (comma == std::string_view::npos) return servers;
    hosts.remove_prefix(comma + 1);
  }
}

Endpoint unix_socket(std::string_view rest) {
  Endpoint endpoint{.transport = Endpoint::Transport::unix_socket};
  const std::size_t question = rest.rfind("?db=");
  if (question != std::string_view::npos) {
    endpoint.database = number(rest.substr(question + 4), kMostDatabases, "the database");
    rest = rest.substr(0, question);
  }
  if (rest.find('?') != std::string_view::npos) refuse("a socket's one option is ?db=");
  if (rest.starts_with("//")) rest = take_user(endpoint, rest.substr(2));
  endpoint.path = unescaped(rest);
  constexpr std::size_t kLongest = 107;  // of sockaddr_un
  if (endpoint.path.empty() || endpoint.path.size() > kLongest)
    refuse("a socket's path has 1 to 107 bytes");
  return endpoint;
}

std::string address_of(const Endpoint& endpoint) {
  const bool brackets = endpoint.host.find(':') != std::string::npos;
  return (brackets ? '[' + escaped(endpoint.host, ":") + ']' : endpoint.host) + ':' + endpoint.port;
}

}  // namespace

std::string escaped(std::string_view text, std::string_view also_kept) {
  std::string out;
  for (const char c : text) {
    if (is_plain(c) || also_kept.find(c) != std::string_view::npos)
      out += c;
    else
      out.append("%").append(to_hex({&c, 1}));
  }
  return out;
}

std::string Endpoint::label() const {
  if (transport == Transport::unix_socket)
    return (path.starts_with("//") ? "unix://" : "unix:") + escaped(path, "/") +
           (database == 0 ? "" : "?db=" + std::to_string(database));
  return (transport == Transport::tls ? "rediss://" : "redis://") + address_of(*this) + '/' +
         std::to_string(database);
}

std::string Servers::label() const {
  if (!cluster) return endpoints.front().label();
  const bool tls = endpoints.front().transport == Endpoint::Transport::tls;
  std::string label = tls ? "rediss+cluster://" : "redis+cluster://";
  for (const Endpoint& endpoint : endpoints)
    label.append(&endpoint == &endpoints.front() ? "" : ",").append(address_of(endpoint));
  return label;
}

Servers parsed_servers(std::string_view url) {
  const std::size_t colon = url.find(':');
  const std::string scheme = ascii::to_lower(url.substr(0, colon));
  const std::string_view rest = colon == std::string_view::npos ? "" : url.substr(colon + 1);
  if (scheme == "redis+cluster") return cluster(rest, Endpoint::Transport::tcp);
  if (scheme == "rediss+cluster") return cluster(rest, Endpoint::Transport::tls);
  if (scheme == "redis") return {.endpoints = {tcp(rest)}};
  if (scheme == "unix") return {.endpoints = {unix_socket(rest)}};
  if (scheme != "rediss")
    refuse("its scheme is none of redis, rediss, unix, redis+cluster and rediss+cluster");
  Endpoint endpoint = tcp(rest);
  endpoint.transport = Endpoint::Transport::tls;
  return {.endpoints = {std::move(endpoint)}};
}

}  // namespace querymark::redis

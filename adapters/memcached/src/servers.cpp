#include "servers.hpp"

#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "querymark/support/ascii.hpp"
#include "querymark/support/digest.hpp"
#include "querymark/support/error.hpp"

namespace querymark::memcached {
namespace {

constexpr std::string_view kScheme = "memcached://";
constexpr std::string_view kUnix = "unix:";
constexpr std::size_t kPointsPerServer = 160;  // shares differ by some 10 %

[[noreturn]] void refuse_servers(const std::string& why) {
  throw ConfigError(
      "the servers of a memcached tier are HOST[:PORT], [IPv6][:PORT] or unix:PATH, "
      "separated by commas: " +
      why);
}

Endpoint parsed_server(std::string_view text) {
  Endpoint parsed;
  if (text.starts_with(kUnix)) {
    parsed.path = text.substr(kUnix.size());
    if (!parsed.path.starts_with('/') || parsed.path.size() >= sizeof(sockaddr_un::sun_path))
      refuse_servers("a path must be absolute, and short enough for a socket");
    return parsed;
  }
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) refuse_servers("a bracket is not closed");
    parsed.host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
  } else {
    const std::size_t end = std::min(text.size(), text.find(':'));
    parsed.host = text.substr(0, end);
    rest = text.substr(end);
  }
  const bool plain = std::ranges::all_of(parsed.host, [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) || c == '.' || c == '-' || c == '_' ||
           c == ':' || c == '%';
  });
  if (parsed.host.empty() || !plain) refuse_servers("a host is missing, or is none");
  if (ascii::to_lower(parsed.host) + ':' == kUnix)
    refuse_servers("a path must follow unix:, and no host is called that");
  parsed.port = "11211";
  if (rest.empty()) return parsed;
  unsigned port = 0;
  const std::string_view digits = rest.substr(1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (rest.front() != ':' || error != std::errc() || end != digits.data() + digits.size() ||
      port == 0 || port > 65'535)
    refuse_servers("a port must be 1 to 65535");
  parsed.port = std::to_string(port);
  return parsed;
}

std::uint64_t eight_bytes(ByteView bytes) noexcept {
  std::uint64_t number = 0;
  for (const char c : bytes.substr(0, 8)) number = number << 8U | static_cast<unsigned char>(c);
  return number;
}

}  // namespace

std::string Endpoint::label() const {
  if (host.empty()) return std::string(kUnix) + path;
  return (host.find(':') == std::string::npos ? ascii::to_lower(host)
                                              : '[' + ascii::to_lower(host) + ']') +
         ':' + port;
}

std::vector<Endpoint> parsed_servers(std::string_view text) {
  if (text.starts_with(kScheme)) text.remove_prefix(kScheme.size());
  std::vector<Endpoint> parsed;
  for (;;) {
    const std::size_t end = std::min(text.size(), text.find(','));
    parsed.push_back(parsed_server(text.substr(0, end)));
    if (end == text.size()) break;
    text.remove_prefix(end + 1);
  }
  std::ranges::sort(parsed, {}, &Endpoint::label);
  if (std::ranges::adjacent_find(parsed, {}, &Endpoint::label) != parsed.end())
    refuse_servers("one is named twice");
  return parsed;
}

Ring::Ring(const std::vector<std::string>& labels) {
  for (std::size_t i = 0; i < labels.size(); ++i)
    for (std::size_t point = 0; point < kPointsPerServer; ++point)
      points_.emplace_back(
          eight_bytes(sha256({"querymark memcached", labels[i], std::to_string(point)}).view()), i);
  std::ranges::sort(points_);
}

std::size_t Ring::owner(std::uint64_t hash) const noexcept {
  const auto at =
      std::ranges::lower_bound(points_, hash, {}, [](const auto& p) { return p.first; });
  return (at == points_.end() ? points_.front() : *at).second;
}

}  // namespace querymark::memcached

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace querymark::redis {

/// Where a server is, and as whom to speak to it.
struct Endpoint {
  enum class Transport : std::uint8_t { tcp, tls, unix_socket };

  Transport transport = Transport::tcp;
  std::string host{};  ///< A name or an address without brackets.
  std::string port{};
  std::string path{};  ///< Of a unix socket.
  std::string user{};
  std::string password{};
  int database = 0;

  /// For messages: no user, no password.
  [[nodiscard]] std::string label() const;
};

/// One server, or some of those of a cluster, by which the others are found.
struct Servers {
  bool cluster = false;
  std::vector<Endpoint> endpoints{};  ///< At least one; as whom to speak is the same for all.

  /// For messages: no user, no password.
  [[nodiscard]] std::string label() const;
};

/// Reads what `RedisTier` takes. Throws ConfigError, which shows nothing of the text.
[[nodiscard]] Servers parsed_servers(std::string_view url);

/// The text with %XX in place of all but letters, digits, `_`, `-`, `.` and what is also kept.
[[nodiscard]] std::string escaped(std::string_view text, std::string_view also_kept = "");

}  // namespace querymark::redis

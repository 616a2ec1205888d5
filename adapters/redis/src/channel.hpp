#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "endpoint.hpp"
#include "resolver.hpp"

namespace querymark::redis {

using Deadline = std::chrono::steady_clock::time_point;

/// A connection's bytes, both ways. For one thread at a time. Throws Error, with `connection_lost`,
/// when the other side is gone or the deadline passes first: then the channel is of no use any more.
class Channel {
 public:
  virtual ~Channel() = default;
  /// Blocks until all is on its way.
  virtual void send(std::string_view bytes, Deadline deadline) = 0;
  /// Blocks until there is something; returns how many bytes, at least one.
  virtual std::size_t receive(char* into, std::size_t room, Deadline deadline) = 0;
  /// Whether the other side is there, and has said nothing that nobody has asked for.
  [[nodiscard]] virtual bool quiet() noexcept = 0;
};

/// What clients of one server share: whom they trust, and as whom they show themselves.
class TlsContext {
 public:
  /// Empty: the system's authorities, no certificate of one's own. Throws ConfigError.
  TlsContext(const std::string& ca_file, const std::string& certificate_file,
             const std::string& key_file);
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

 private:
  friend class TlsChannel;
  void* context_;  // SSL_CTX*
};

/// Opens a channel to the endpoint; `tls` is there where the endpoint asks for it.
[[nodiscard]] std::unique_ptr<Channel> open_channel(const Endpoint& endpoint, Resolver& resolver,
                                                    const TlsContext* tls, Deadline deadline);

}  // namespace querymark::redis

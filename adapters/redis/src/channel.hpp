#pragma once

#include <memory>
#include <string>

#include "byte_channel.hpp"
#include "endpoint.hpp"
#include "resolver.hpp"

namespace querymark::redis {

using net::Channel;
using net::Deadline;
using net::Resolver;

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

/// Null where the servers are not spoken to by TLS. Throws as TlsContext does.
[[nodiscard]] std::unique_ptr<TlsContext> tls_for(const Servers& servers,
                                                  const std::string& ca_file,
                                                  const std::string& certificate_file,
                                                  const std::string& key_file);

/// Opens a channel to the endpoint; `tls` is there where the endpoint asks for it.
[[nodiscard]] std::unique_ptr<Channel> open_channel(const Endpoint& endpoint, Resolver& resolver,
                                                    const TlsContext* tls, Deadline deadline);

}  // namespace querymark::redis

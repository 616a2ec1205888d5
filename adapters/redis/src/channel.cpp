#include "channel.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <utility>

#include "querymark/support/error.hpp"
#include "socket.hpp"

namespace querymark::redis {
namespace {

using net::Socket;

std::string openssl_error() {
  const unsigned long code = ::ERR_get_error();
  std::array<char, 256> text{};
  if (code != 0) ::ERR_error_string_n(code, text.data(), text.size());
  ::ERR_clear_error();
  return code == 0 ? "no reason given" : text.data();
}

bool is_address(const std::string& host) {
  in6_addr ignored{};
  return ::inet_pton(AF_INET, host.c_str(), &ignored) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

std::unique_ptr<Socket> connected(const Endpoint& endpoint, Resolver& resolver, Deadline deadline) {
  return endpoint.transport == Endpoint::Transport::unix_socket
             ? net::connected(endpoint.path, endpoint.label(), deadline)
             : net::connected(resolver, endpoint.label(), deadline);
}

}  // namespace

TlsContext::TlsContext(const std::string& ca_file, const std::string& certificate_file,
                       const std::string& key_file)
    : context_(::SSL_CTX_new(::TLS_client_method())) {
  auto* context = static_cast<SSL_CTX*>(context_);
  const auto require = [&](bool done, const std::string& what) {
    if (done) return;
    const std::string why = openssl_error();
    ::SSL_CTX_free(context);
    throw ConfigError(what + " can't be used for TLS: " + why);
  };
  require(context != nullptr, "OpenSSL");
  ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  require(::SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1, "TLS 1.2");
  if (ca_file.empty())
    require(::SSL_CTX_set_default_verify_paths(context) == 1, "the system's certificates");
  else
    require(::SSL_CTX_load_verify_locations(context, ca_file.c_str(), nullptr) == 1, ca_file);
  if (!certificate_file.empty())
    require(::SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) == 1,
            certificate_file);
  if (!key_file.empty())
    require(::SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) == 1 &&
                ::SSL_CTX_check_private_key(context) == 1,
            key_file);
}

TlsContext::~TlsContext() { ::SSL_CTX_free(static_cast<SSL_CTX*>(context_)); }

/// TLS over a socket. OpenSSL works on memory alone: it would send by write(), whose SIGPIPE is
/// nothing that a library may do to its program, and knows no deadlines.
class TlsChannel final : public Channel {
 public:
  TlsChannel(std::unique_ptr<Socket> socket, const TlsContext& context, const std::string& host,
             std::string where, Deadline deadline)
      : socket_(std::move(socket)),
        where_(std::move(where)),
        ssl_(::SSL_new(static_cast<SSL_CTX*>(context.context_)), ::SSL_free) {
    in_ = ::BIO_new(::BIO_s_mem());
    out_ = ::BIO_new(::BIO_s_mem());
    if (!ssl_ || in_ == nullptr || out_ == nullptr) {
      ::BIO_free(in_);
      ::BIO_free(out_);
      throw Error("no memory for TLS", {.retryable = true});
    }
    ::SSL_set_bio(ssl_.get(), in_, out_);  // owns both
    const bool named =
        is_address(host)
            ? ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl_.get()), host.c_str()) == 1
            : ::SSL_set1_host(ssl_.get(), host.c_str()) == 1 && announce(host);
    if (!named) throw ConfigError(where_ + ": no certificate can have this host's name");
    ::SSL_set_connect_state(ssl_.get());
    run([this] { return ::SSL_do_handshake(ssl_.get()); }, deadline);
  }

  void send(std::string_view bytes, Deadline deadline) override {
    constexpr std::size_t kAtOnce = 1U << 20U;  // SSL_write counts in int
    for (; !bytes.empty(); bytes.remove_prefix(std::min(kAtOnce, bytes.size()))) {
      const std::string_view part = bytes.substr(0, kAtOnce);
      run([&] { return ::SSL_write(ssl_.get(), part.data(), static_cast<int>(part.size())); },
          deadline);
    }
  }
  std::size_t receive(char* into, std::size_t room, Deadline deadline) override {
    constexpr std::size_t kMost = 1U << 20U;
    const int most = static_cast<int>(std::min(room, kMost));
    return static_cast<std::size_t>(
        run([&] { return ::SSL_read(ssl_.get(), into, most); }, deadline));
  }
  [[nodiscard]] const net::Socket* socket() const noexcept override { return socket_.get(); }
  [[nodiscard]] bool readable(int wake, Deadline deadline) override {
    return ::SSL_pending(ssl_.get()) > 0 || ::BIO_ctrl_pending(in_) > 0 ||
           socket_->readable(wake, deadline);
  }
  [[nodiscard]] bool quiet() noexcept override {
    return ::SSL_pending(ssl_.get()) == 0 && ::BIO_ctrl_pending(in_) == 0 && socket_->quiet();
  }

 private:
  // What SSL_set_tlsext_host_name is a macro for.
  [[nodiscard]] bool announce(const std::string& host) noexcept {
    return ::SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                      const_cast<char*>(host.c_str())) == 1;
  }
  template <class Step>
  int run(Step&& step, Deadline deadline) {
    for (;;) {
      ::ERR_clear_error();
      const int done = step();
      const int why = done > 0 ? SSL_ERROR_NONE : ::SSL_get_error(ssl_.get(), done);
      if (why != SSL_ERROR_NONE && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
        fail(why);
      flush(deadline);
      if (done > 0) return done;
      const std::size_t got = socket_->receive(buffer_.data(), buffer_.size(), deadline);
      if (::BIO_write(in_, buffer_.data(), static_cast<int>(got)) != static_cast<int>(got))
        throw Error(where_ + ": no memory for TLS", {.retryable = true, .connection_lost = true});
    }
  }
  void flush(Deadline deadline) {
    while (::BIO_ctrl_pending(out_) > 0) {
      const int size = ::BIO_read(out_, buffer_.data(), static_cast<int>(buffer_.size()));
      if (size <= 0) return;
      socket_->send({buffer_.data(), static_cast<std::size_t>(size)}, deadline);
    }
  }
  [[noreturn]] void fail(int why) {
    const long verified = ::SSL_get_verify_result(ssl_.get());
    const std::string reason = verified != X509_V_OK ? std::string("its certificate is refused: ") +
                                                           ::X509_verify_cert_error_string(verified)
                               : why == SSL_ERROR_ZERO_RETURN
                                   ? std::string("the server has closed the connection")
                                   : openssl_error();
    throw Error(where_ + ": TLS: " + reason, {.retryable = true, .connection_lost = true});
  }

  std::unique_ptr<Socket> socket_;
  std::string where_;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
  std::array<char, 16'384> buffer_{};
};

std::unique_ptr<TlsContext> tls_for(const Servers& servers, const std::string& ca_file,
                                    const std::string& certificate_file,
                                    const std::string& key_file) {
  if (servers.endpoints.front().transport != Endpoint::Transport::tls) return nullptr;
  return std::make_unique<TlsContext>(ca_file, certificate_file, key_file);
}

std::unique_ptr<Channel> open_channel(const Endpoint& endpoint, Resolver& resolver,
                                      const TlsContext* tls, Deadline deadline) {
  std::unique_ptr<Socket> socket = connected(endpoint, resolver, deadline);
  if (tls == nullptr) return socket;
  return std::make_unique<TlsChannel>(std::move(socket), *tls, endpoint.host, endpoint.label(),
                                      deadline);
}

}  // namespace querymark::redis

#pragma once

#include <functional>
#include <memory>
#include <string>

namespace querymark::cli {

/// What the server tells. Each is called on its thread, and must answer at once.
struct MetricsAnswers {
  std::function<std::string()> metrics;  ///< Prometheus' text.
  std::function<std::string()> illness;  ///< One line for people; empty: healthy.
};

/// An HTTP server of `/metrics` and `/healthz` alone, on a thread of its own, which takes no signal. It
/// reads no body and headers of 8 KiB at most, gives a caller 10 seconds for each request and each
/// answer, and keeps 16 connections: who comes then takes the place of the one that came first, so
/// that nobody is kept out by those who hold on. No TLS and no passwords: it is meant for a loopback
/// address.
class MetricsServer {
 public:
  /// `where`: `127.0.0.1:9464`, `[::1]:9464`, or a port alone for 127.0.0.1; port 0 for any that is free.
  /// Throws ConfigError for what is no such address, Error where nobody may listen there.
  MetricsServer(const std::string& where, MetricsAnswers answers);
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;
  /// Drops those who are being served. Does not wait for them.
  ~MetricsServer();

  /// Where it listens, with the port that it got.
  [[nodiscard]] std::string address() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Throws ConfigError for what is no address of a MetricsServer.
void check_metrics_address(const std::string& where);

}  // namespace querymark::cli

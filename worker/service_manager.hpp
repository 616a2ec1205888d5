#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace querymark::cli {

/// systemd, as a service of `Type=notify` sees it: datagrams to the socket that $NOTIFY_SOCKET
/// names. Without one, nothing happens. Never throws and never blocks: a manager that does not
/// listen is no reason to stop.
class ServiceManager {
 public:
  /// Reads the environment, and takes the names out of it: children are not the service.
  ServiceManager();

  void ready() const { send("READY=1"); }
  void reloading() const;
  void stopping() const { send("STOPPING=1"); }
  void alive() const { send("WATCHDOG=1"); }
  /// One line for `systemctl status`.
  void status(std::string_view text) const;

  /// How often at least it wants to hear `alive`; nothing: not at all.
  [[nodiscard]] std::optional<std::chrono::microseconds> watchdog() const noexcept {
    return watchdog_;
  }

 private:
  void send(std::string_view text) const;

  std::string socket_;
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace querymark::cli

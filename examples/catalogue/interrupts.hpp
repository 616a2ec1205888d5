#pragma once

#include <stdexcept>

#include "process.hpp"

namespace catalogue {

/// Somebody wants the program to end: Ctrl-C, SIGTERM, a closed terminal.
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

/// Turns SIGINT, SIGTERM and SIGHUP into an exception at well-defined places, so that destructors
/// clean up. Create it before any thread: threads inherit the blocked signals.
class Interrupts {
 public:
  /// Throws std::system_error.
  Interrupts();
  /// Throws Interrupted once a signal has come.
  void check();
  [[nodiscard]] bool pending();
  /// Becomes readable when a signal comes.
  [[nodiscard]] int descriptor() const noexcept { return signals_.get(); }

 private:
  Descriptor signals_;
};

}  // namespace catalogue

#pragma once  // For users.

#include <cstdint>
#include <stdexcept>
#include <string>

namespace querymark {

/// What a caller may do about an error: the traits answer "what next?", not "what broke?".
struct ErrorTraits {
  bool retryable = false;  ///< The same call may succeed when repeated (busy, timeout, deadlock).
  bool connection_lost = false;  ///< The database or tier can't be reached at the moment.
  /// The call may have taken effect (connection lost during COMMIT).
  bool outcome_unknown = false;
  std::string native_code{};  ///< The client library's own code, as text ("SQLITE_BUSY", "40001").
};

/// Base of everything that querymark throws. Ordinary outcomes (a miss, a lost lease, a wait that
/// timed out) are values, never exceptions.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& what, ErrorTraits traits = {})
      : std::runtime_error(what), traits_(std::move(traits)) {}

  [[nodiscard]] bool retryable() const noexcept { return traits_.retryable; }
  [[nodiscard]] bool connection_lost() const noexcept { return traits_.connection_lost; }
  [[nodiscard]] bool outcome_unknown() const noexcept { return traits_.outcome_unknown; }
  [[nodiscard]] const std::string& native_code() const noexcept { return traits_.native_code; }

 private:
  ErrorTraits traits_;
};

/// The caller asked for something that can't be meant: a bad URL, option, target or SQL text.
/// Repeating the call changes nothing.
class ConfigError : public Error {
 public:
  using Error::Error;
};

/// The database's querymark schema is missing, older or newer than this library. The text names
/// both versions and the command that mends it.
class SchemaError : public Error {
 public:
  using Error::Error;
};

/// A value can't be read as the type asked for: wrong type, NULL into a non-optional, wrong column
/// count.
class TypeError : public Error {
 public:
  using Error::Error;
};

/// A deadline passed. Always `retryable()`.
class Timeout : public Error {
 public:
  explicit Timeout(const std::string& what) : Error(what, {.retryable = true}) {}
};

}  // namespace querymark

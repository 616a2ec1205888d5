#pragma once  // For users.

#include <map>
#include <string>

namespace querymark {

/// Settings of a database's session by name, such as {{"app.tenant", "7"}}.
using SessionSettings = std::map<std::string, std::string>;

/// The part of a key that tells loads under these settings from others': a digest, since a value
/// may be a secret. Names and values count to the byte.
[[nodiscard]] std::string key_of(const SessionSettings& settings);

}  // namespace querymark

#pragma once

#include <string>
#include <string_view>

namespace querymark::net {

/// Throws ConfigError, which names `whose` keys they are, unless the prefix has 1 to 100 characters
/// that mean nothing to the server: letters, digits and _-.:
void require_key_prefix(std::string_view prefix, const std::string& whose);

}  // namespace querymark::net

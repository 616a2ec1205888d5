#pragma once

namespace querymark::redis {

/// Keeps ARGV[1] under KEYS[1] for ARGV[2] milliseconds, unless there is a value whose stamp is later
/// in the same epoch: then 0, else 1. A value begins with its epoch (16 bytes) and its horizon (8
/// bytes), the highest byte first. The bytes are compared one by one: Lua's own order of strings is
/// that of the server's locale. What is no string there is no value of ours and is replaced.
inline constexpr char kPutScript[] = R"(local old = redis.pcall('GETRANGE', KEYS[1], 0, 23)
local new = ARGV[1]
if type(old) == 'string' and #old == 24 and string.sub(old, 1, 16) == string.sub(new, 1, 16) then
  for i = 17, 24 do
    local a, b = string.byte(old, i), string.byte(new, i)
    if a > b then return 0 end
    if a < b then break end
  end
end
redis.call('SET', KEYS[1], new, 'PX', ARGV[2])
return 1
)";
/// SHA-1 of the script: what EVALSHA knows it by.
inline constexpr char kPutScriptName[] = "83f982d1f280c13343867aead664925d61944743";

}  // namespace querymark::redis

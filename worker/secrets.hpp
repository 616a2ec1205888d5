#pragma once

#include <string>
#include <string_view>

namespace querymark::cli {

/// `text` with three asterisks for what may be a password: between the colon of a URL's user and
/// its last `@`, and behind `password=`. For messages that quote what the user has typed.
[[nodiscard]] std::string without_secrets(std::string_view text);

/// Overwrites the same in the arguments of the process, which others may list (`ps`). They were
/// there to be seen until then: an environment variable or a file is better.
void hide_secrets(int argc, char** argv);

}  // namespace querymark::cli

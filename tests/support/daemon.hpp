#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "support/temp_dir.hpp"

namespace querymark::test {

/// A port of the loopback interface for a server that is to be started: nobody listens on it, and no
/// other test gets it while this process lives.
[[nodiscard]] int free_port();

/// Servers refuse to run as root: where a test does, its servers run as `nobody`, to whom this
/// gives a folder.
void give_away(const TempDir& dir);

/// Starts a program as that user, with its output in `log`. Should the test die first, the kernel
/// sends it SIGQUIT.
[[nodiscard]] pid_t launch(const std::vector<std::string>& command, const std::string& log);
/// Returns once `answers()`, which may throw meanwhile. Throws with the log when the program has ended, or
/// has not answered for half a minute.
void await_start(pid_t program, const std::string& log, const std::function<bool()>& answers);
/// Like `launch`, to its end; throws with the log when it fails.
void complete(const std::vector<std::string>& command, const std::string& log);

[[nodiscard]] std::string text_of_file(const std::string& path);

}  // namespace querymark::test

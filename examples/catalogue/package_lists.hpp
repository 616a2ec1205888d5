#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace catalogue {

/// Where a machine's package catalogue is.
struct PackageLists {
  std::string kind;                ///< For people: "apt lists", "dpkg status".
  std::vector<std::string> files;  ///< Security updates first.
};

/// The apt lists if there are any that can be read, else the dpkg status file; or `file` unless it
/// is empty. Throws std::runtime_error when there is nothing.
[[nodiscard]] PackageLists find_package_lists(const std::string& file = {});

/// Calls `read` with the uncompressed text of a file (.lz4, .xz, .gz, .bz2, .zst through
/// apt-helper). Throws std::runtime_error.
void open_package_list(const std::string& file, const std::function<void(std::FILE*)>& read);

}  // namespace catalogue

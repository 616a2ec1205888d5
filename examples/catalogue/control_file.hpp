#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace catalogue {

/// What the catalogue keeps of one stanza of a Packages or status file.
struct PackageRecord {
  std::string name, version, section, maintainer;
  std::int64_t size = 0, installed_size = 0;
  std::string depends, pre_depends, recommends, suggests;  ///< As in the file.
};

/// Reads stanzas of Debian's control format (deb822) from a stream that it doesn't own.
class ControlReader {
 public:
  explicit ControlReader(std::FILE* stream) : stream_(stream) {}
  ControlReader(const ControlReader&) = delete;
  ControlReader& operator=(const ControlReader&) = delete;
  ~ControlReader();

  /// Reads the next stanza that names a package and a version; false at the end.
  [[nodiscard]] bool next(PackageRecord& record);

 private:
  [[nodiscard]] bool line(std::string_view& text);

  std::FILE* stream_;
  char* buffer_ = nullptr;  // getline(3) grows it
  std::size_t capacity_ = 0;
};

/// The package names in a relation field such as `libc6 (>= 2.34), awk | mawk, python3:any`,
/// without versions and architectures; alternatives count too.
[[nodiscard]] std::vector<std::string_view> names_in_relation(std::string_view field);

}  // namespace catalogue

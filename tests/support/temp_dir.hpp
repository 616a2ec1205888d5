#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace querymark::test {

/// A folder of its own for one test, removed at the end.
class TempDir {
 public:
  /// `memory`: where a sync waits for no disk, if the machine has such a place with some GiB of room. For
  /// many small files, and servers of tests.
  enum class Where : std::uint8_t { disk, memory };
  explicit TempDir(Where where = Where::disk);
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();

  [[nodiscard]] Where where() const noexcept { return where_; }  // what was asked for
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// Path of a file in it.
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  Where where_;
  std::filesystem::path path_;
};

}  // namespace querymark::test

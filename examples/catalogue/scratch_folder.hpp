#pragma once

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace catalogue {

/// A new folder for temporary files, removed with everything in it unless it is kept.
class ScratchFolder {
 public:
  /// Throws std::system_error.
  explicit ScratchFolder(bool keep)
      : path_((std::filesystem::temp_directory_path() / "querymark-demo-XXXXXX").string()),
        keep_(keep) {
    if (mkdtemp(path_.data()) == nullptr)
      throw std::system_error(errno, std::generic_category(), "can't create " + path_);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    if (!keep_) std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::string file(const std::string& name) const { return path_ + '/' + name; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
  bool keep_;
};

}  // namespace catalogue

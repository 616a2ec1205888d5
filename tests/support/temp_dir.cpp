#include "support/temp_dir.hpp"

#include <cstdlib>
#include <stdexcept>

namespace querymark::test {

TempDir::TempDir(Where where) {
  const auto make = [this](const std::filesystem::path& parent) {
    std::string name = (parent / "querymark-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) return false;
    path_ = name;
    return true;
  };
  if (where == Where::memory && make("/dev/shm")) return;
  if (!make(std::filesystem::temp_directory_path())) throw std::runtime_error("mkdtemp failed");
}

TempDir::~TempDir() {
  std::error_code ignored;  // a leftover folder in /tmp does not fail a test
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace querymark::test

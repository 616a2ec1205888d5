#include "support/temp_dir.hpp"

#include <cstdlib>
#include <stdexcept>

namespace querymark::test {

TempDir::TempDir() {
  std::string name = (std::filesystem::temp_directory_path() / "querymark-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;  // a leftover folder in /tmp does not fail a test
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace querymark::test

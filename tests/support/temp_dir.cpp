#include "support/temp_dir.hpp"

#include <chrono>
#include <cstdlib>
#include <stdexcept>

namespace querymark::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMemory = "/dev/shm";  // in a container often of 64 MiB
constexpr std::uintmax_t kRoom = 4ULL << 30U;
constexpr const char* kPrefix = "querymark-test-";

// Tests that were killed leave their folders, which a disk bears and memory does not.
void sweep_memory() {
  std::error_code ignored;  // another test sweeps, too
  for (const auto& folder : fs::directory_iterator(kMemory, ignored)) {
    if (!folder.path().filename().string().starts_with(kPrefix)) continue;
    const auto changed = folder.last_write_time(ignored);
    if (!ignored && fs::file_time_type::clock::now() - changed > std::chrono::hours(24))
      fs::remove_all(folder.path(), ignored);
  }
}

bool has_room(const char* place) {
  std::error_code missing;
  const fs::space_info space = fs::space(place, missing);
  return !missing && space.available >= kRoom;
}

}  // namespace

TempDir::TempDir(Where where) : where_(where) {
  const auto make = [this](const fs::path& parent) {
    std::string name = (parent / kPrefix).string() + "XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) return false;
    path_ = name;
    return true;
  };
  if (where == Where::memory && has_room(kMemory)) {
    sweep_memory();
    if (make(kMemory)) return;
  }
  if (!make(fs::temp_directory_path())) throw std::runtime_error("mkdtemp failed");
}

TempDir::~TempDir() {
  std::error_code ignored;  // a leftover folder in /tmp does not fail a test
  fs::remove_all(path_, ignored);
}

}  // namespace querymark::test

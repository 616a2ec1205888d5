#include "file_claim.hpp"

#include <fstream>

namespace querymark::sqlite {
namespace {

std::string first_line(const char* path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

std::string_view inode_of(std::string_view file) { return file.substr(file.find(':') + 1); }

}  // namespace

FileClaim claim_on(const FileIdentity& file) {
  return {.file = file.str(),
          .birth = file.birth == 0 ? std::string() : std::to_string(file.birth),
          .machine = first_line("/etc/machine-id"),
          .boot = first_line("/proc/sys/kernel/random/boot_id")};
}

bool same_file(const FileClaim& found, const FileClaim& now) {
  if (found.file.empty()) return false;
  const bool births = !found.birth.empty() && !now.birth.empty();
  const bool file = births ? found.birth == now.birth && inode_of(found.file) == inode_of(now.file)
                           : found.file == now.file;
  const bool other_host =
      !found.boot.empty() && found.machine != now.machine && found.boot != now.boot;
  return file && !other_host;
}

}  // namespace querymark::sqlite

#include "package_lists.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string_view>

#include "process.hpp"

namespace catalogue {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAptLists = "/var/lib/apt/lists";
constexpr const char* kDpkgStatus = "/var/lib/dpkg/status";
constexpr const char* kAptHelper = "/usr/lib/apt/apt-helper";
constexpr std::array<std::string_view, 5> kCompressed{".lz4", ".xz", ".gz", ".bz2", ".zst"};

struct Close {
  void operator()(std::FILE* stream) const noexcept { std::fclose(stream); }
};
using Stream = std::unique_ptr<std::FILE, Close>;

bool is_compressed(const fs::path& file) {
  return std::ranges::find(kCompressed, file.extension().string()) != kCompressed.end();
}

bool is_list(const fs::path& file) {
  const fs::path plain = is_compressed(file) ? file.stem() : file;
  return plain.string().ends_with("_Packages");
}

}  // namespace

PackageLists find_package_lists(const std::string& file) {
  if (!file.empty()) return {fs::path(file).filename().string(), {file}};
  PackageLists lists{.kind = "apt lists", .files = {}};
  std::error_code unreadable;
  const bool helper = access(kAptHelper, X_OK) == 0;
  for (const auto& entry : fs::directory_iterator(kAptLists, unreadable))
    if (is_list(entry.path().filename()) && (helper || !is_compressed(entry.path())) &&
        access(entry.path().c_str(), R_OK) == 0)
      lists.files.push_back(entry.path().string());
  // "…debian-security…" sorts before "…debian_dists_…-updates" and "…debian_dists_…": the first
  // version of a name stays, so a security update wins over what it replaces.
  std::ranges::sort(lists.files);
  if (!lists.files.empty()) return lists;
  if (access(kDpkgStatus, R_OK) == 0) return {"dpkg status", {kDpkgStatus}};
  throw std::runtime_error(std::string("no package catalogue: neither ") + kAptLists +
                           "/*_Packages nor " + kDpkgStatus);
}

void open_package_list(const std::string& file, const std::function<void(std::FILE*)>& read) {
  if (!is_compressed(file)) {
    const Stream stream(std::fopen(file.c_str(), "re"));
    if (!stream) throw std::runtime_error("can't read " + file);
    read(stream.get());
    return;
  }
  auto [from, to] = make_pipe();
  Process helper({kAptHelper, "cat-file", file}, {.out = to.get()});
  to.close();
  const Stream stream(fdopen(from.get(), "r"));
  if (!stream) throw std::runtime_error("can't read " + file);
  (void)from.release();
  read(stream.get());
  if (helper.wait() != 0) throw std::runtime_error("apt-helper can't read " + file);
}

}  // namespace catalogue

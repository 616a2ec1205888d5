#include "import.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <vector>

#include "control_file.hpp"

namespace catalogue {
namespace {

// Gives packages their ids and leaves out what comes twice.
class Importer {
 public:
  explicit Importer(Loading& loading) : loading_(loading) {}

  void add(PackageRecord& record) {
    if (!names_.insert(record.name).second) return;  // an older version of a known name
    // dpkg's status file knows no archive sizes.
    if (record.size <= 0) record.size = record.installed_size * 1024;
    if (record.section.empty()) record.section = "unknown";
    const std::int64_t id = ++result_.packages;
    loading_.add_package(id, record);
    add(id, record.pre_depends, "pre-depends");
    add(id, record.depends, "depends");
    add(id, record.recommends, "recommends");
    add(id, record.suggests, "suggests");
  }

  [[nodiscard]] const ImportResult& result() const noexcept { return result_; }

 private:
  void add(std::int64_t id, std::string_view relation, const char* kind) {
    std::vector<std::string_view> names = names_in_relation(relation);
    std::ranges::sort(names);
    names.erase(std::ranges::unique(names).begin(), names.end());
    for (const std::string_view name : names) loading_.add_dependency(id, name, kind);
    result_.dependencies += static_cast<std::int64_t>(names.size());
  }

  Loading& loading_;
  std::unordered_set<std::string> names_;
  ImportResult result_;
};

}  // namespace

ImportResult import_catalogue(const Backend& backend, const PackageLists& lists,
                              const std::function<void(const ImportResult&)>& progress) {
  constexpr std::int64_t kProgressEvery = 1000;
  const std::unique_ptr<Loading> loading = backend.load();
  Importer importer(*loading);
  for (const std::string& file : lists.files)
    open_package_list(file, [&](std::FILE* stream) {
      ControlReader reader(stream);
      PackageRecord record;
      while (reader.next(record)) {
        importer.add(record);
        if (importer.result().packages % kProgressEvery == 0) progress(importer.result());
      }
    });
  if (importer.result().packages == 0)
    throw std::runtime_error("no packages in " + lists.files.front());
  loading->finish();
  progress(importer.result());
  return importer.result();
}

}  // namespace catalogue

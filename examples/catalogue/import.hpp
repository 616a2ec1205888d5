#pragma once

#include <cstdint>
#include <functional>

#include "backend.hpp"
#include "package_lists.hpp"

namespace catalogue {

struct ImportResult {
  std::int64_t packages = 0, dependencies = 0;
};

/// Creates the catalogue's tables and fills them from the lists, in one transaction; the first
/// version of a name stays. `progress` is called now and then, and ends the import by throwing.
/// Throws the client library's exceptions, std::runtime_error.
ImportResult import_catalogue(const Backend& backend, const PackageLists& lists,
                              const std::function<void(const ImportResult&)>& progress);

}  // namespace catalogue

#pragma once

#include <memory>
#include <string>

#include "backend.hpp"

namespace catalogue {

[[nodiscard]] std::unique_ptr<Backend> sqlite_backend(const std::string& url);
[[nodiscard]] std::unique_ptr<Backend> postgres_backend(const std::string& url);

}  // namespace catalogue

#pragma once

#include <string>
#include <utility>

#include "backends/backend.hpp"

namespace querymark::cli {

/// Stands in for a kind that this program was built without: knows its URLs, to say so.
class AbsentBackend : public Backend {
 public:
  /// `option` is CMake's, such as QUERYMARK_POSTGRES.
  AbsentBackend(std::string name, std::string option)
      : name_(std::move(name)), option_(std::move(option)) {}

  [[nodiscard]] std::string lacks() const override {
    return "this querymark was built without " + name_ + "; build it with -D" + option_ + "=ON";
  }

 private:
  std::string name_;
  std::string option_;
};

}  // namespace querymark::cli

#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "querymark/read/read_request.hpp"

namespace querymark {

// The request on its own feet, with all targets that its call declares; null where it can't be.
[[nodiscard]] inline std::unique_ptr<ReadRequest> detached(const ReadRequest& request) {
  std::vector<Target> targets = request.options.tags;
  request.add_targets(targets);
  return request.detached(std::move(targets));
}

}  // namespace querymark

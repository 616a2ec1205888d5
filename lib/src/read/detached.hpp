#pragma once

#include <cstdint>
#include <memory>
#include <string>
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

// What a key's task in the background goes by. The prefix is interned and alive as long as the task: its
// address stands for its bytes.
[[nodiscard]] inline std::string task_key(const KeyView& key) {
  std::string name = std::to_string(reinterpret_cast<std::uintptr_t>(key.prefix)) + ':';
  return name.append(key.parameters);
}

}  // namespace querymark

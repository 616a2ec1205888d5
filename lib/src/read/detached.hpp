#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "querymark/read/offload.hpp"
#include "querymark/read/read_request.hpp"
#include "querymark/read/source.hpp"

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

// Has the cache's executor do `work(source, request, name)` with the request that `own` makes, unless one of
// that kind and key waits or runs, or `allows(name)` says that it is too early.
template <class Own, class Allows, class Work>
[[nodiscard]] Offloaded submit_made(Source& source, const KeyView& key, std::string_view kind,
                                    Own&& own, Allows&& allows, Work work) {
  Offload* const offload = source.cache().options().offload.get();
  if (offload == nullptr) return Offloaded::disabled;
  std::string name(kind);
  name.append(" ").append(task_key(key));
  if (offload->has(name) || !allows(name))
    return Offloaded::duplicate;  // before anything is copied
  const std::shared_ptr<ReadRequest> request = own();
  if (!request) return Offloaded::disabled;
  return offload
      ->submit({.kind = kind,
                .key = name,
                .owner = &source,
                .work = [&source, request, name,
                         work](const std::stop_token&) { work(source, *request, name); }})
      .became;
}

// The same with the request on its own feet.
template <class Allows, class Work>
[[nodiscard]] Offloaded submit_own(Source& source, const ReadRequest& request,
                                   std::string_view kind, Allows&& allows, Work work) {
  return submit_made(
      source, request.call.view, kind, [&] { return detached(request); },
      std::forward<Allows>(allows), std::move(work));
}

}  // namespace querymark

#include "querymark/read/refresh.hpp"

#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "querymark/read/blocking_driver.hpp"
#include "querymark/read/offload.hpp"
#include "querymark/read/source.hpp"

namespace querymark {
namespace {

// The prefix is interned and alive as long as the task: its address stands for its bytes.
std::string task_key(const KeyView& key) {
  std::string name = std::to_string(reinterpret_cast<std::uintptr_t>(key.prefix)) + ':';
  return name.append(key.parameters);
}

Offloaded submit_refresh(Source& source, const ReadRequest& request) {
  Offload* const offload = source.cache().options().offload.get();
  if (offload == nullptr) return Offloaded::disabled;
  std::string name = task_key(request.call.view);
  if (offload->has(name)) return Offloaded::duplicate;  // before anything is copied
  std::vector<Target> targets = request.options.tags;
  request.add_targets(targets);
  const std::shared_ptr<ReadRequest> own = request.detached(std::move(targets));
  if (!own) return Offloaded::disabled;
  const EntryRef entry = source.cache().core().memory.find(request.call.view, request.call.hash);
  own->replaces = entry ? entry->expires() : MonotonicTime::min();
  return offload->submit(std::move(name), &source,
                         [&source, own] { blocking_refresh(source, *own); });
}

}  // namespace

void refresh_later(Source& source, const ReadRequest& request) noexcept {
  ReadCounters& counters = source.cache().core().counters;
  try {
    switch (submit_refresh(source, request)) {
      case Offloaded::accepted:
        counters.refreshes.fetch_add(1);
        return;
      case Offloaded::duplicate:
        return;
      case Offloaded::full:
      case Offloaded::stopped:
      case Offloaded::disabled:
        break;
    }
  } catch (const std::exception&) {  // no memory, or a tagger of the caller's: it is only not sooner
  }
  counters.refreshes_refused.fetch_add(1);
}

}  // namespace querymark

#include "querymark/read/refresh.hpp"

#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "querymark/read/blocking_driver.hpp"
#include "querymark/read/offload.hpp"
#include "querymark/read/source.hpp"
#include "read/detached.hpp"

namespace querymark {
namespace {

// One that fails is not tried again at each hit.
void refresh(Source& source, ReadRequest& request, const std::string& name) {
  FailingLoads& failing = source.failing_refreshes();
  const EntryRef entry = source.cache().core().memory.find(request.call.view, request.call.hash);
  request.replaces = entry ? entry->expires() : MonotonicTime::min();
  try {
    static_cast<void>(blocking_read(source, request));
  } catch (...) {  // whatever it is; the executor counts it
    failing.failed(name, 1, source.cache().clock().coarse_now());
    throw;
  }
  failing.succeeded(name);
}

Offloaded submit_refresh(Source& source, const ReadRequest& request) {
  const auto allows =
      [&](const std::string& name) {  // or it failed a moment ago: the next one comes
        return source.failing_refreshes().allows(name, source.cache().clock().coarse_now());
      };
  return submit_own(source, request, "refresh", allows, refresh);
}

// The lead, where an executor's task can share it: whoever drops it unused leaves it to a waiter.
struct Apart {
  std::unique_ptr<ReadRequest> request;
  std::optional<FlightLeader> leader;
};

Offloaded submit_load(Source& source, const ReadRequest& request, CallerId caller,
                      std::optional<FlightLeader>& leader) {
  Offload* const offload = source.cache().options().offload.get();
  if (offload == nullptr) return Offloaded::disabled;
  const auto apart = std::make_shared<Apart>();
  apart->request = detached(request);
  if (!apart->request) return Offloaded::disabled;
  std::function<void()> task = [&source, apart, caller] {
    blocking_load(source, *apart->request, caller, *std::exchange(apart->leader, std::nullopt));
  };
  apart->leader.emplace(std::move(*leader));
  leader.reset();
  Offloaded became = Offloaded::full;
  try {
    became = offload->submit({}, &source, std::move(task), "load");
  } catch (const std::bad_alloc&) {
    became = Offloaded::full;
  }
  if (became != Offloaded::accepted) {
    leader.emplace(std::move(*apart->leader));
    apart->leader.reset();
  }
  return became;
}

}  // namespace

bool load_apart(Source& source, const ReadRequest& request, CallerId caller,
                std::optional<FlightLeader>& leader) noexcept {
  try {
    if (submit_load(source, request, caller, leader) == Offloaded::accepted) return true;
  } catch (const std::exception&) {  // no memory: then the caller loads
  }
  request.call.view.prefix->record().counters.refreshes_refused.fetch_add(1);
  return false;
}

void refresh_later(Source& source, const ReadRequest& request) noexcept {
  ReadCounters& counters = request.call.view.prefix->record().counters;
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
  } catch (
      const std::exception&) {  // no memory, or a tagger of the caller's: it is only not sooner
  }
  counters.refreshes_refused.fetch_add(1);
}

}  // namespace querymark

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
#include "read/refreshing.hpp"

namespace querymark {
namespace {

// One that fails, or brings what is not kept, is not tried again at each hit.
void refresh(Source& source, ReadRequest& request, const std::string& name) {
  set_replaces(source, request);
  try {
    note_refreshed(source, name, is_done(blocking_read(source, request)));
  } catch (...) {  // whatever it is; the executor counts it
    note_refreshed(source, name, false);
    throw;
  }
}

template <class Own>
Offloaded submit_refresh(Source& source, const KeyView& key, Own&& own) {
  const auto allows = [&](const std::string& name) { return may_refresh(source, name); };
  return submit_made(source, key, kRefresh, std::forward<Own>(own), allows, refresh);
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
  } catch (
      ...) {  // no memory, or a tagger of the caller's, which may throw anything: the caller loads
  }
  request.call.view.prefix->record().counters.refreshes_refused.fetch_add(1);
  return false;
}

std::string refresh_name(const KeyView& key) {
  std::string name(kRefresh);
  return name.append(" ").append(task_key(key));
}

bool may_refresh(Source& source, const std::string& name) {
  return source.failing_refreshes().allows(name, source.cache().clock().coarse_now());
}

bool is_done(const ReadResult& refreshed) noexcept {
  switch (refreshed.outcome.stored) {
    case Stored::declined:
    case Stored::oversize:
    case Stored::too_many_targets:
    case Stored::uncacheable:
    case Stored::unproven:
    case Stored::not_covered:
      return !refreshed.entry;  // without one somebody was faster
    default:
      return true;
  }
}

void note_refreshed(Source& source, const std::string& name, bool succeeded) {
  FailingLoads& failing = source.failing_refreshes();
  if (succeeded)
    failing.succeeded(name);
  else
    failing.failed(name, 1, source.cache().clock().coarse_now());
}

void set_replaces(Source& source, ReadRequest& request) {
  const EntryRef entry = source.cache().core().memory.find(request.call.view, request.call.hash);
  request.replaces = entry ? entry->expires() : MonotonicTime::min();
}

void count_refreshes(ReadCounters& counters, Offloaded became, std::size_t calls) noexcept {
  switch (became) {
    case Offloaded::accepted:
      counters.refreshes.fetch_add(calls);
      return;
    case Offloaded::duplicate:
      return;
    case Offloaded::full:
    case Offloaded::stopped:
    case Offloaded::disabled:
      break;
  }
  counters.refreshes_refused.fetch_add(calls);
}

void refresh_later(Source& source, const ReadRequest& request) noexcept {
  Offloaded became = Offloaded::disabled;
  try {
    became = submit_refresh(source, request.call.view, [&] { return detached(request); });
  } catch (
      ...) {  // no memory, or a tagger of the caller's, which may throw anything: it is only not sooner
  }
  count_refreshes(request.call.view.prefix->record().counters, became, 1);
}

void refresh_own(Source& source, const std::shared_ptr<ReadRequest>& request) noexcept {
  Offloaded became = Offloaded::disabled;
  try {
    became = submit_refresh(source, request->call.view, [&] { return request; });
  } catch (const std::exception&) {  // no memory: it is only not sooner
  }
  count_refreshes(request->call.view.prefix->record().counters, became, 1);
}

}  // namespace querymark

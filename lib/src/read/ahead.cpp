#include "querymark/read/ahead.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>

#include "querymark/read/blocking_driver.hpp"
#include "querymark/read/offload.hpp"
#include "querymark/read/refresh.hpp"
#include "querymark/read/source.hpp"
#include "querymark/support/error.hpp"
#include "read/read_machine_steps.hpp"
#include "read/refreshing.hpp"
#include "read/served.hpp"

// What is prefetched together is one task of the executor. Of statements for many keys it leads the loads of
// all, asks the tiers and then the database once. Other queries ask the tiers once, and what they lack is
// loaded key by key, each by a task of its own: so loads run side by side, and nobody who waits for one key
// waits for the others.

namespace querymark::detail {
namespace {

using Shared = std::vector<std::shared_ptr<ReadRequest>>;

bool has_it(Source& source, const ReadRequest& request) {
  std::vector<TargetId> required;
  if (!request.keyed_targets) {
    std::vector<Target> targets = request.options.tags;
    request.add_targets(targets);
    required = ids_of(targets);
  }
  return is_in_memory(source, request.call, request.options, required);
}

template <class Requests>
std::vector<ReadRequest*> all_of(const Requests& requests) {
  std::vector<ReadRequest*> all;
  all.reserve(requests.size());
  for (const auto& request : requests) all.push_back(request.get());
  return all;
}

// Loads of what was handed over as one. A key that the database refuses makes the statement of all fail: then each
// half is asked for by itself, and so on. As many statements may fail as it takes to find one or two among the
// most that are handed over; what is left then has failed.
class LoadsTogether {
 public:
  explicit LoadsTogether(Source& source) : source_(source) {}

  void load(std::span<const std::shared_ptr<ReadRequest>> requests) {
    for (const auto& request : requests) set_replaces(source_, *request);
    const std::vector<ReadAnswer> answers = blocking_read_each(source_, all_of(requests));
    Shared refused;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const auto* const failure = std::get_if<std::exception_ptr>(&answers[i]);
      if (failure != nullptr && more_ > 0 && is_for_all(*failure, answers)) {
        refused.push_back(requests[i]);
        continue;
      }
      note_refreshed(source_, refresh_name(requests[i]->call.view),
                     failure == nullptr && is_done(std::get<ReadResult>(answers[i])));
      if (failure != nullptr) error_ = *failure;
    }
    if (refused.empty()) return;
    --more_;
    for (const auto& request : refused) request->tiers_asked = true;
    const std::span<const std::shared_ptr<ReadRequest>> all(refused);
    load(all.first(all.size() / 2));
    load(all.subspan(all.size() / 2));
  }
  // Throws the error of the last that has one.
  void require() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  // What the database said of several, being well.
  static bool is_for_all(const std::exception_ptr& failure,
                         const std::vector<ReadAnswer>& answers) {
    const auto is_it = [&](const ReadAnswer& answer) {
      const auto* const other = std::get_if<std::exception_ptr>(&answer);
      return other != nullptr && *other == failure;
    };
    return !is_outage(failure) && std::ranges::count_if(answers, is_it) > 1;
  }

  Source& source_;
  std::size_t more_ = 20;  // statements that may fail and be divided
  std::exception_ptr error_;
};

void load_together(Source& source, const Shared& requests) {
  LoadsTogether loads(source);
  loads.load(requests);
  loads.require();
}

void load_one_by_one(Source& source, const Shared& requests) {
  for (const auto& request : requests) request->only_tiers = true;
  const std::vector<ReadAnswer> answers = blocking_read_each(source, all_of(requests));
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto* const found = std::get_if<ReadResult>(&answers[i]);
    if (found != nullptr && found->entry) continue;
    requests[i]->only_tiers = false;
    requests[i]->tiers_asked = true;
    refresh_own(source, requests[i]);
  }
}

// What nobody has loaded meanwhile.
void load_missing(Source& source, const Shared& requests) {
  Shared missing;
  std::ranges::copy_if(requests, std::back_inserter(missing),
                       [&](const auto& request) { return !has_it(source, *request); });
  if (missing.empty()) return;
  if (missing.front()->loads_together())
    load_together(source, missing);
  else
    load_one_by_one(source, missing);
}

}  // namespace

bool is_in_memory(Source& source, const CallKey& call, const ReadOptions& options,
                  std::span<const TargetId> required) {
  const MonotonicTime now = source.cache().clock().coarse_now();
  const EntryRef entry = source.find_old(call, required);
  return entry && served(source, *entry, options, now, required);
}

void prefetch(Source& source, ReadRequest& request) {
  if (!request.options.cached || has_it(source, request)) return;
  refresh_later(source, request);
}

void prefetch_together(Source& source, OwnRequests requests) {
  if (requests.empty()) return;
  ReadCounters& counters = requests.front()->call.view.prefix->record().counters;
  std::unordered_set<std::string> names;
  std::erase_if(requests, [&](const auto& request) {
    const auto [name, is_new] = names.insert(refresh_name(request->call.view));
    return !is_new || !request->options.cached || !may_refresh(source, *name);
  });
  const Shared own(std::make_move_iterator(requests.begin()),
                   std::make_move_iterator(requests.end()));
  if (own.empty()) return;
  if (source.tiers().empty() && !own.front()->loads_together()) {
    for (const auto& request : own) refresh_own(source, request);
    return;
  }
  Offloaded became = Offloaded::disabled;
  if (Offload* const offload = source.cache().options().offload.get())
    became = offload->submit({}, &source, [&source, own] { load_missing(source, own); }, kRefresh);
  count_refreshes(counters, became, own.size());
}

void warm_together(Source& source, const OwnRequests& requests, WarmUp& so_far) {
  for (const auto& request : requests) request->only_tiers = true;
  std::vector<ReadAnswer> answers;
  try {
    answers = blocking_read_each(source, all_of(requests));
  } catch (const std::exception&) {  // of a tier, or of the log: nobody could look
    answers.assign(requests.size(), std::current_exception());
  }
  for (const ReadAnswer& answer : answers) {
    const auto* const found = std::get_if<ReadResult>(&answer);
    if (found == nullptr)
      count_failed(so_far, std::get<std::exception_ptr>(answer));
    else if (!found->entry)
      ++so_far.missing;
    else if (found->outcome.origin == Origin::memory)
      ++so_far.already;
    else
      ++so_far.found;
  }
}

void count_failed(WarmUp& so_far, const std::exception_ptr& error) {
  if (so_far.failed++ > 0) return;
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& failure) {
    so_far.error = failure.what();
  } catch (...) {  // of the caller's code
    so_far.error = "something that is no std::exception";
  }
}

void require_prefetch(const Source& source) {
  if (source.cache().options().offload == nullptr)
    throw ConfigError(
        "a prefetch loads in the background: give the cache an executor (CacheOptions::offload)");
}

void require_warm_up(const Source& source, const WarmUpOptions& options) {
  if (source.tiers().empty())
    throw ConfigError("a warm-up takes values from a shared tier: attach() one first");
  if (options.every == 0) throw ConfigError("a warm-up tells its progress after some calls, not 0");
}

}  // namespace querymark::detail

#include "querymark/memory/hazard.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "querymark/memory/entry.hpp"
#include "querymark/support/mutex.hpp"

// Hazard pointers (Michael 2004): a reader may use an entry without writing to it, so two threads
// that read one entry share no written line.
//
// States of an entry: resident (in the index, which holds one reference), retired (out of the
// index; the reference waits in its shard), free (the count has come to zero).
//
//   reader     finds a word in the index, stores the entry in a hazard of its own (H), looks at the
//              index again (V). Unchanged: the entry is protected until the hazard is cleared (C:
//              store, release).
//   writer     takes the word out of the index (R: exchange, seq_cst), later makes a barrier pass
//              through all threads (B), scans all hazards (S: loads, seq_cst) and drops the index's
//              reference of each retired entry that it found in none of them.
//
// What must not happen is that V misses R and S misses H. Readers outnumber writers by far, so the
// price is put on the writer: B is membarrier(2), PRIVATE_EXPEDITED, after which every thread of
// the process has executed a full memory barrier at some point between the call and its return. H
// is a store with release and V a load with acquire, kept in program order by a signal fence, which
// is no instruction. Where a thread's barrier falls after H, S sees H (or a later value of that
// hazard). Where it falls before H, V comes after it and sees R, which was before the call: the
// reader does not use the entry. Where the kernel refuses membarrier, H is an exchange and H, V, R,
// S, all seq_cst, have one order: if V missed R, then H < V < R < S.
//
// Should the kernel refuse later on (a seccomp filter that is put in place at run time), that pass
// frees nothing, and from then on readers use the exchange. A hazard that was stored without a
// barrier just before is in nobody's way: by the next pass, hundreds of evictions or a purge later,
// every store buffer has long been emptied.
//
// A later value of a hazard was stored after C, or is C itself, and reading it with acquire makes
// all use of the entry happen before its destruction: that edge is acquire and release alone, so
// thread sanitizer sees it. An address that is freed and used again for an entry of the same slot
// is harmless: what V finds in the index is resident, and it is what the hazard names.
//
// A reference may be counted (copies do it) only by who holds a protected or counted one; the
// index's reference is dropped only when no hazard is left, so the count is never raised from zero.
//
// Records are never freed; a thread that ends gives its record back for another to take. Hazards of
// handles that outlive their thread stay set in it and are skipped by the next owner. Who gives
// back (store, release) happens before who takes (exchange, acquire).
//
// Orphans are retired entries of a cache that is gone, still protected by handles. They are dropped
// when a hazard is cleared, or at the next adoption.

namespace querymark {
namespace detail {

thread_local constinit HazardRecord* this_thread_hazards = nullptr;
std::atomic<bool> orphans_waiting{false};

std::atomic<bool> process_barrier_works{
    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0};

bool (*process_barrier)() noexcept = []() noexcept {
  return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
};

namespace {

std::atomic<HazardRecord*> all_records{nullptr};

// Gives the record back when the thread ends. Should a later destructor of the same thread use a
// cache, it takes a record that nobody gives back.
struct RecordReturn {
  ~RecordReturn() {
    HazardRecord* const record = std::exchange(this_thread_hazards, nullptr);
    if (record != nullptr) record->taken.store(false, std::memory_order_release);
  }
};

struct Orphans {
  Mutex mutex;
  std::vector<const Entry*> entries QUERYMARK_GUARDED_BY(mutex);
};

// Never destroyed: handles may outlive everything else.
Orphans& orphans() {
  static auto* const all = new Orphans;
  return *all;
}

HazardRecord* find_free_record() noexcept {
  for (HazardRecord* at = all_records.load(std::memory_order_acquire); at != nullptr;
       at = at->next.load(std::memory_order_relaxed))
    if (!at->taken.load(std::memory_order_relaxed) &&
        !at->taken.exchange(true, std::memory_order_acquire))
      return at;
  return nullptr;
}

}  // namespace

HazardRecord& take_hazard_record() {
  thread_local RecordReturn give_back;  // NOLINT(misc-use-internal-linkage): a local
  HazardRecord* record = find_free_record();
  if (record == nullptr) {
    record = new HazardRecord;
    record->taken.store(true, std::memory_order_relaxed);
    HazardRecord* first = all_records.load(std::memory_order_relaxed);
    do record->next.store(first, std::memory_order_relaxed);
    while (!all_records.compare_exchange_weak(first, record));  // before any hazard in it is set
  }
  static_cast<void>(give_back);
  this_thread_hazards = record;
  return *record;
}

void sweep_orphans() noexcept {
  std::vector<const Entry*> released;
  {
    Orphans& all = orphans();
    const MutexLock lock(all.mutex);
    std::vector<const Entry*>& waiting = all.entries;
    const auto held = protected_entries();
    const auto free = std::ranges::partition(waiting, [&](const Entry* entry) {
      return !held || std::ranges::binary_search(*held, entry);
    });
    released.assign(free.begin(), free.end());
    waiting.erase(free.begin(), free.end());
    orphans_waiting.store(!waiting.empty(), std::memory_order_relaxed);
  }
  for (const Entry* entry : released) (void)EntryRef::adopt(entry);  // user code may run: unlocked
}

}  // namespace detail

std::optional<std::vector<const Entry*>> protected_entries() {
  std::vector<const Entry*> held;
  const auto add = [&held](const Hazard& hazard) {
    if (const Entry* entry = hazard.load()) held.push_back(entry);
  };
  if (detail::process_barrier_works.load(std::memory_order_relaxed) && !detail::process_barrier()) {
    detail::process_barrier_works.store(false);
    return std::nullopt;
  }
  for (detail::HazardRecord* at = detail::all_records.load(); at != nullptr;
       at = at->next.load(std::memory_order_relaxed)) {
    for (const Hazard& hazard : at->handles) add(hazard);
    add(at->passing);
  }
  std::ranges::sort(held);
  return held;
}

void adopt_orphans(std::span<const Entry* const> entries) {
  {
    detail::Orphans& all = detail::orphans();
    const MutexLock lock(all.mutex);
    all.entries.insert(all.entries.end(), entries.begin(), entries.end());
    detail::orphans_waiting.store(true, std::memory_order_relaxed);
  }
  detail::sweep_orphans();
}

}  // namespace querymark

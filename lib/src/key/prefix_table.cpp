#include "querymark/key/prefix_table.hpp"

#include "querymark/observe/query_table.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark {

// State: `known` maps the bytes of a prefix to the prefix, without owning it. A prefix is inserted
// under `mutex`; when its last reference is gone, `forget` takes `mutex` and erases the slot if it
// still holds that very prefix (another thread may have interned the same bytes anew in between: it
// found a prefix that could not be referenced any more). The map's key views the prefix's own
// bytes, so a slot is always erased or replaced, key included, before those bytes are freed.
struct PrefixTable::State final : KeyPrefix::Owner {
  Mutex mutex;
  std::unordered_map<std::string_view, const KeyPrefix*> known QUERYMARK_GUARDED_BY(mutex);
  std::atomic<std::size_t> bytes{0};

  void forget(const KeyPrefix& prefix) noexcept override {
    const MutexLock lock(mutex);
    const auto slot = known.find(prefix.bytes());
    if (slot != known.end() && slot->second == &prefix) known.erase(slot);
    bytes.fetch_sub(prefix.charge(), std::memory_order_relaxed);
  }
};

PrefixTable::PrefixTable(QueryTable* queries)
    : state_(std::make_shared<State>()), queries_(queries) {}

namespace {

QueryRecord& record_of(QueryTable& queries, KeyPrefix::Form form, std::string_view text,
                       std::string_view name) {
  if (!name.empty()) return queries.named(name);
  // A value's own name is part of its key, and there may be as many as there are values.
  return form == KeyPrefix::Form::named ? queries.values() : queries.of_sql(text);
}

}  // namespace

KeyPrefixRef PrefixTable::intern(std::string_view stored_type, KeyPrefix::Form form,
                                 const Scope& scope, std::string_view text, std::string_view name) {
  // Most calls find what they look for: look first. (A buffer of the thread's would be gone for
  // those who ask at the process's end.)
  std::string encoded;
  encoded.reserve(stored_type.size() + text.size() + 256);
  KeyPrefix::encode(encoded, stored_type, form, scope, text);
  const auto alive = [this](std::string_view bytes)
                         QUERYMARK_REQUIRES(state_->mutex) -> KeyPrefixRef {
    const auto found = state_->known.find(bytes);
    if (found == state_->known.end() || !found->second->add_reference_if_alive()) return {};
    return {found->second, false};
  };
  {
    const MutexLock lock(state_->mutex);
    if (KeyPrefixRef known = alive(encoded)) return known;
  }
  auto made = std::make_unique<KeyPrefix>(stored_type, form, scope, text);
  made->set_owner(state_);
  if (queries_ != nullptr) made->count_in(record_of(*queries_, form, text, name));
  state_->bytes.fetch_add(made->charge(), std::memory_order_relaxed);
  KeyPrefixRef fresh(made.release());  // outside the lock: `forget` takes the mutex
  const MutexLock lock(state_->mutex);
  if (KeyPrefixRef known = alive(fresh->bytes())) return known;
  state_->known.erase(fresh->bytes());  // a dying one waits for the mutex: take its key out first
  state_->known.emplace(fresh->bytes(), fresh.get());
  return fresh;
}

std::size_t PrefixTable::bytes() const noexcept {
  return state_->bytes.load(std::memory_order_relaxed);
}

}  // namespace querymark

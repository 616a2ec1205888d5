#include "querymark/key/prefix_table.hpp"

namespace querymark {

// State: `known` maps the bytes of a prefix to a weak reference. A prefix is inserted under
// `mutex`; its deleter takes `mutex` and erases the slot if it still holds an expired reference
// (another thread may have interned the same bytes anew in between). The map's key views the
// prefix's own bytes, so a slot is always erased or replaced, key included, before those bytes are
// freed.
struct PrefixTable::State {
  mutable std::mutex mutex;
  std::unordered_map<std::string_view, std::weak_ptr<const KeyPrefix>> known;
  std::atomic<std::size_t> bytes{0};

  static std::size_t cost(const KeyPrefix& prefix) noexcept {
    return prefix.bytes().size() + sizeof(KeyPrefix) + 96;  // control block, map node, bucket
  }
};

PrefixTable::PrefixTable() : state_(std::make_shared<State>()) {}

KeyPrefixRef PrefixTable::intern(std::string_view stored_type, KeyPrefix::Form form,
                                 const Scope& scope, std::string_view text) {
  // Most calls find what they look for: encode into a buffer that this thread reuses, and look
  // first.
  thread_local std::string encoded;
  encoded.clear();
  KeyPrefix::encode(encoded, stored_type, form, scope, text);
  const std::shared_ptr<State> state = state_;
  KeyPrefixRef
      fresh;  // outside the lock: its deleter takes the mutex when another thread was faster
  {
    const std::lock_guard lock(state->mutex);
    auto found = state->known.find(encoded);
    if (found != state->known.end())
      if (KeyPrefixRef alive = found->second.lock()) return alive;
  }
  auto made = std::make_unique<KeyPrefix>(stored_type, form, scope, text);
  state->bytes.fetch_add(State::cost(*made), std::memory_order_relaxed);
  fresh = KeyPrefixRef(made.release(), [state](const KeyPrefix* prefix) {
    {
      const std::lock_guard erase_lock(state->mutex);
      auto slot = state->known.find(prefix->bytes());
      if (slot != state->known.end() && slot->second.expired()) state->known.erase(slot);
    }
    state->bytes.fetch_sub(State::cost(*prefix), std::memory_order_relaxed);
    delete prefix;
  });
  const std::lock_guard lock(state->mutex);
  auto found = state->known.find(fresh->bytes());
  if (found != state->known.end()) {
    if (KeyPrefixRef alive = found->second.lock()) return alive;
    state->known.erase(found);  // its deleter waits for the mutex: take the dying key out first
  }
  state->known.emplace(fresh->bytes(), fresh);
  return fresh;
}

std::size_t PrefixTable::bytes() const noexcept {
  return state_->bytes.load(std::memory_order_relaxed);
}

}  // namespace querymark

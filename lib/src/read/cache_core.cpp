#include "querymark/read/cache_core.hpp"

#include "querymark/mark/marks.hpp"

namespace querymark {

CacheCore::CacheCore(std::size_t bytes, const Clock& time)
    : memory_bytes(bytes), clock(time), domains(bytes), memory(bytes) {
  memory.set_prefixes(prefixes);
  memory.set_dead_test([this](const Entry& entry) { return is_dead(entry); });
}

MarkDomain CacheCore::attach(const Marks& marks) {
  const MutexLock lock(attach_mutex_);  // of two that come at once the later capacity counts
  const MarkDomain domain = domains.add(marks);
  memory.set_capacity(memory_bytes - domains.bytes());
  return domain;
}

void CacheCore::detach(MarkDomain domain) noexcept {
  domains.remove(domain);
  memory.purge([domain](const Entry& entry) { return entry.domain() == domain; });
}

bool CacheCore::is_dead(const Entry& entry) const {
  return entry.useful_until() <= clock.coarse_now() || domains.is_dead(entry);
}

}  // namespace querymark

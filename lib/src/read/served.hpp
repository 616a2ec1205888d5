#pragma once

#include <span>

#include "querymark/read/read_request.hpp"
#include "querymark/read/source.hpp"

namespace querymark {

// Whether memory would serve this entry to this request, at this moment. Counts nothing.
[[nodiscard]] inline bool served(const Source& source, const Entry& entry,
                                 const ReadRequest& request, MonotonicTime now,
                                 std::span<const TargetId> required) {
  return source.marks().trusted(now) && source.glance(entry, now, source.max_age(request.options),
                                                      required) == Source::Verdict::fresh;
}

}  // namespace querymark

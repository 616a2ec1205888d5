#pragma once

#include <span>

#include "querymark/read/read_options.hpp"
#include "querymark/read/source.hpp"

namespace querymark {

// Whether memory would serve this entry to a call under these options, at this moment. Counts nothing.
[[nodiscard]] inline bool served(const Source& source, const Entry& entry,
                                 const ReadOptions& options, MonotonicTime now,
                                 std::span<const TargetId> required) {
  return source.marks().trusted(now) &&
         source.glance(entry, now, source.max_age(options), required) == Source::Verdict::fresh;
}

}  // namespace querymark

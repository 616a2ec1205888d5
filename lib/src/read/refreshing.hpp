#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "querymark/key/key.hpp"
#include "querymark/observe/read_counters.hpp"
#include "querymark/read/offload.hpp"
#include "querymark/read/read_request.hpp"

namespace querymark {

class Source;

// The kind of tasks that load anew, by themselves or with others, what memory has or lacks.
inline constexpr std::string_view kRefresh = "refresh";

// What such a task of that key goes by.
[[nodiscard]] std::string refresh_name(const KeyView& key);
// False: it failed a moment ago, and the next one comes.
[[nodiscard]] bool may_refresh(Source& source, const std::string& name);
// False: what was loaded was not to be kept, so memory has, or lacks, what it did before.
[[nodiscard]] bool is_done(const ReadResult& refreshed) noexcept;
void note_refreshed(Source& source, const std::string& name, bool succeeded);
// It is to replace what memory has at this moment.
void set_replaces(Source& source, ReadRequest& request);
void count_refreshes(ReadCounters& counters, Offloaded became, std::size_t calls) noexcept;
// `refresh_later` of a request that stands on its own feet already.
void refresh_own(Source& source, const std::shared_ptr<ReadRequest>& request) noexcept;

}  // namespace querymark

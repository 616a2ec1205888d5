#include "definition_watch.hpp"

#include <exception>
#include <utility>

#include "querymark/support/thread.hpp"

namespace querymark::postgres {

void DefinitionWatch::begin() {
  const MutexLock lock(mutex_);
  if (thread_.joinable()) return;
  last_ = ways_.look();
  thread_ = start_thread([this](const std::stop_token& stop) { run(stop); });
}

void DefinitionWatch::run(const std::stop_token& stop) {
  for (int failed = 0;;) {
    sleep_unless_stopped(pause_, stop);
    if (stop.stop_requested()) return;
    try {
      std::string now = ways_.look();
      failed = 0;
      if (now == last_) continue;
      ways_.changed();
      last_ = std::move(now);
    } catch (const std::exception&) {  // the server is busy, or gone
      if (++failed >= kPatience) ways_.changed();
    }
  }
}

}  // namespace querymark::postgres

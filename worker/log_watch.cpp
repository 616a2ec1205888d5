#include "log_watch.hpp"

#include <algorithm>
#include <utility>

#include "querymark/support/clock.hpp"
#include "querymark/support/thread.hpp"

namespace querymark::cli {
namespace {

constexpr std::chrono::seconds kBetweenLooks{5};
constexpr std::chrono::seconds kLongestSilence{30};

}  // namespace

LogWatch::LogWatch(const LogEndpoint& log, std::string namespace_name, const Applier& target)
    : log_(log),
      namespace_name_(std::move(namespace_name)),
      target_(target),
      seen_{.target = target.name()} {
  thread_ = start_thread([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      look();
      sleep_unless_stopped(kBetweenLooks, stop);
    }
  });
}

void LogWatch::look() {
  try {
    Seen now{.target = target_.name()};
    std::vector<ConsumerReport> reports = log_.inspector->consumers(namespace_name_);
    now.at = system_clock().now();
    const auto ours = std::ranges::find(reports, now.target, &ConsumerReport::name);
    if (ours != reports.end()) now.report = std::move(*ours);
    const MutexLock lock(mutex_);
    seen_ = std::move(now);
  } catch (const std::exception& failure) {
    const MutexLock lock(mutex_);
    seen_.error = failure.what();
  }
}

bool LogWatch::Seen::answers() const {
  return at && error.empty() && system_clock().now() - *at < kLongestSilence;
}

LogWatch::Seen LogWatch::seen() const {
  const MutexLock lock(mutex_);
  return seen_;
}

}  // namespace querymark::cli

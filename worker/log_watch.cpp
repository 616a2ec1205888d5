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

LogWatch::LogWatch(const LogEndpoint& log, std::string namespace_name, std::string target)
    : log_(log), namespace_name_(std::move(namespace_name)), target_(std::move(target)) {
  thread_ = start_thread([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      look();
      sleep_unless_stopped(kBetweenLooks, stop);
    }
  });
}

void LogWatch::look() {
  try {
    std::vector<ConsumerReport> reports = log_.inspector->consumers(namespace_name_);
    const auto ours = std::ranges::find(reports, target_, &ConsumerReport::name);
    const MutexLock lock(mutex_);
    seen_ = {.at = system_clock().now()};
    if (ours != reports.end()) seen_.report = std::move(*ours);
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

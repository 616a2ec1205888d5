#include "querymark/log/subscribers.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>  // program_invocation_short_name
#include <string_view>

#include "querymark/support/random.hpp"

namespace querymark {
namespace {

// A name that every database takes, whatever bytes it was given.
std::string printable(std::string_view name) {
  std::string text(name.substr(0, 200));
  for (char& letter : text)
    if (letter < ' ' || letter > '~') letter = '?';
  return text;
}

}  // namespace

std::chrono::milliseconds lease_for(std::chrono::nanoseconds max_lag) {
  using std::chrono::milliseconds;
  constexpr milliseconds kShortest{10'000};
  constexpr milliseconds kLongest{24 * 3600 * 1000};
  if (max_lag >= kLongest / 2) return kLongest;
  return std::max(kShortest, std::chrono::ceil<milliseconds>(2 * max_lag));
}

SubscriberId SubscriberId::random() { return {random_u64()}; }

SubscriberEntry SubscriberEntry::of_process(std::chrono::milliseconds lease) {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  return {.id = SubscriberId::random(),
          .lease = lease,
          .application = printable(program_invocation_short_name),
          .host = printable(host.data()),
          .pid = ::getpid(),
          .version = QUERYMARK_VERSION};
}

std::string SubscriberEntry::for_people() const {
  return application + (host.empty() ? "" : " on " + host) + ", pid " + std::to_string(pid);
}

}  // namespace querymark

#include "querymark/log/subscribers.hpp"

#include <unistd.h>

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

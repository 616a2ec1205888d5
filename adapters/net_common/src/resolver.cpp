#include "resolver.hpp"

#include <arpa/inet.h>
#include <netdb.h>

#include <condition_variable>
#include <cstring>
#include <optional>

#include "querymark/support/error.hpp"
#include "querymark/support/mutex.hpp"
#include "querymark/support/thread.hpp"

namespace querymark::net {
namespace {

struct Found {
  std::vector<Address> addresses;
  std::string error;
};

Found ask(const std::string& host, const std::string& port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  Found found;
  if (const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &list); error != 0) {
    found.error = ::gai_strerror(error);
    return found;
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> guard(list, ::freeaddrinfo);
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    Address address;
    std::memcpy(&address.bytes, at->ai_addr, at->ai_addrlen);
    address.size = at->ai_addrlen;
    found.addresses.push_back(address);
  }
  return found;
}

bool is_numeric(const std::string& host) {
  in6_addr ignored{};
  return ::inet_pton(AF_INET, host.c_str(), &ignored) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

}  // namespace

struct Resolver::Lookup {
  Mutex mutex;
  std::condition_variable done;
  bool running QUERYMARK_GUARDED_BY(mutex) = false;
  std::uint64_t round QUERYMARK_GUARDED_BY(mutex) = 0;
  Found found QUERYMARK_GUARDED_BY(mutex);
};

Resolver::Resolver(std::string host, std::string port)
    : host_(std::move(host)),
      port_(std::move(port)),
      numeric_(is_numeric(host_)),
      lookup_(std::make_shared<Lookup>()) {}

std::vector<Address> Resolver::look_up(std::chrono::steady_clock::time_point deadline) {
  Found found;
  if (numeric_) {
    found = ask(host_, port_, AI_NUMERICHOST);
  } else {
    Lookup& lookup = *lookup_;
    MutexLock lock(lookup.mutex);
    const std::uint64_t before = lookup.round;
    if (!lookup.running) {
      start_thread([shared = lookup_, host = host_, port = port_] {
        Found answer = ask(host, port, AI_ADDRCONFIG);
        const MutexLock answered(shared->mutex);
        shared->found = std::move(answer);
        shared->running = false;
        ++shared->round;
        shared->done.notify_all();
      }).detach();
      lookup.running = true;
    }
    const auto answered = [&]() QUERYMARK_REQUIRES(lookup.mutex) { return lookup.round != before; };
    if (!lookup.done.wait_until(lock.native(), deadline, answered))
      throw Error("nobody has told the address of " + host_ + " in time",
                  {.retryable = true, .connection_lost = true});
    found = lookup.found;
  }
  if (found.addresses.empty())
    throw Error("the address of " + host_ + " is not known: " + found.error,
                {.retryable = true, .connection_lost = true});
  return found.addresses;
}

}  // namespace querymark::net

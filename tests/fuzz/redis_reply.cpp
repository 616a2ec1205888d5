// What a Redis server, or whatever answers in its place, sends, also of its cluster; and the URL that
// leads there.

#include <vector>

#include "cluster_text.hpp"
#include "endpoint.hpp"
#include "fuzz/fuzz.hpp"
#include "protocol.hpp"
#include "slots.hpp"
#include "support/scripted_channel.hpp"

using namespace querymark;

namespace {

struct Told {
  redis::Reply::Is is;
  std::string text;
  std::int64_t number;
  friend bool operator==(const Told&, const Told&) = default;
};

std::vector<Told> replies_in(std::string_view bytes, std::size_t piece) {
  test::ScriptedChannel channel(std::string(bytes), piece);
  redis::ReplyReader reader(channel, 1'000);
  std::vector<Told> replies;
  try {
    for (;;) {
      const redis::Reply reply = reader.next(redis::Deadline::max());
      replies.push_back({reply.is, std::string(reply.text), reply.number});
      fuzz::require(reply.text.size() <= 64'000, "no reply is larger than was allowed");
    }
  } catch (const Error&) {  // the end, or what is no reply
  }
  return replies;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::view_of(data, size);
  const std::size_t piece = size == 0 ? 1 : 1 + data[0] % 40;
  fuzz::require(replies_in(bytes, piece) == replies_in(bytes, 1'000'000),
                "replies are the same however they are cut");
  for (const redis::Owner& owner : redis::owners_in(bytes))
    for (const auto& [first, last] : owner.slots)
      fuzz::require(first <= last && last < redis::kSlots,
                    "slots are some of those that there are");
  if (const auto to = redis::redirect_in({.is = redis::Reply::Is::error, .text = bytes}))
    fuzz::require(to->slot < redis::kSlots && !to->place.port.empty(), "and lead somewhere");
  redis::Servers servers;
  try {
    servers = redis::parsed_servers(bytes);
  } catch (const ConfigError&) {  // refused, as most are
    return 0;
  }
  const redis::Servers again = redis::parsed_servers(servers.label());
  fuzz::require(again.cluster == servers.cluster && again.label() == servers.label() &&
                    again.endpoints.size() == servers.endpoints.size(),
                "what is shown leads to the same servers");
  for (std::size_t i = 0; i < servers.endpoints.size(); ++i) {
    const redis::Endpoint& endpoint = again.endpoints[i];
    fuzz::require(endpoint.host == servers.endpoints[i].host, "by the same name");
    fuzz::require(endpoint.database == servers.endpoints[i].database, "and the same database");
    fuzz::require(endpoint.user.empty() && endpoint.password.empty(), "and shows no password");
  }
  return 0;
}

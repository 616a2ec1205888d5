// What a memcached server, or whatever answers in its place, sends; and the list of servers.

#include <vector>

#include "connection.hpp"
#include "fuzz/fuzz.hpp"
#include "servers.hpp"
#include "support/scripted_channel.hpp"

using namespace querymark;

namespace {

std::vector<std::string> items_in(std::string_view bytes, std::size_t piece) {
  memcached::Connection connection(
      std::make_unique<test::ScriptedChannel>(std::string(bytes), piece), "there", 1'000);
  std::vector<std::string> items;
  try {
    while (const auto item = connection.next(net::Deadline::max())) {
      fuzz::require(item->bytes.size() <= 1'000, "no item is larger than was allowed");
      fuzz::require(!item->key.empty() && item->key.size() <= 250, "an item has a key");
      items.push_back(std::string(item->key) + '=' + std::string(item->bytes) + '@' +
                      std::to_string(item->cas));
    }
    items.emplace_back("end");
  } catch (const Error&) {  // what is no answer
  }
  return items;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::view_of(data, size);
  const std::size_t piece = size == 0 ? 1 : 1 + data[0] % 40;
  fuzz::require(items_in(bytes, piece) == items_in(bytes, 1'000'000),
                "items are the same however they are cut");
  std::vector<memcached::Endpoint> servers;
  try {
    servers = memcached::parsed_servers(bytes);
  } catch (const ConfigError&) {  // refused, as most are
    return 0;
  }
  std::string shown;
  for (const memcached::Endpoint& server : servers)
    shown += (shown.empty() ? "" : ",") + server.label();
  const auto again = memcached::parsed_servers(shown);
  fuzz::require(again.size() == servers.size(), "what is shown leads to the same servers");
  for (std::size_t i = 0; i < servers.size(); ++i)
    fuzz::require(again[i].label() == servers[i].label(), "in the same order");
  return 0;
}

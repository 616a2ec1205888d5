// What a Redis server, or whatever answers in its place, sends; and the URL that leads there.

#include <vector>

#include "endpoint.hpp"
#include "fuzz/fuzz.hpp"
#include "protocol.hpp"
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
  try {
    const redis::Endpoint endpoint = redis::parsed_url(bytes);
    const redis::Endpoint again = redis::parsed_url(endpoint.label());
    fuzz::require(again.database == endpoint.database, "what is shown leads to the same database");
    fuzz::require(again.user.empty() && again.password.empty(), "and shows no password");
  } catch (const ConfigError&) {  // refused, as most are
  }
  return 0;
}

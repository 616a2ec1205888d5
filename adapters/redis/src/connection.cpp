#include "connection.hpp"

#include <algorithm>

#include "querymark/support/ascii.hpp"
#include "querymark/support/excerpt.hpp"

namespace querymark::redis {

std::string_view code_of(const Reply& reply) noexcept {
  const std::string_view word = reply.text.substr(0, reply.text.find(' '));
  const bool is_code =
      !word.empty() && std::ranges::all_of(word, [](char c) { return c >= 'A' && c <= 'Z'; });
  return is_code ? word : std::string_view();
}

Error refusal(const std::string& where, const Reply& reply) {
  constexpr std::size_t kShown = 200;
  // What it holds was meant for somebody else.
  if (reply.is != Reply::Is::error)
    return Error(where + ": an answer that fits no question", {.retryable = true});
  const std::string_view code = code_of(reply);
  // What a server does not understand it repeats, with the beginning of what was to be stored.
  const std::string_view said = reply.text.substr(0, reply.text.find(", with args beginning with"));
  const bool of_a_cluster = code == "MOVED" || code == "ASK";
  return Error(where + ": " + std::string(beginning(said, kShown)) +
                   (of_a_cluster ? " (it is one of a cluster: use redis+cluster://)" : ""),
               {.retryable = true, .native_code = std::string(code)});
}

Connection::Connection(const Endpoint& endpoint, Resolver& resolver, const TlsContext* tls,
                       std::size_t max_reply_bytes, Deadline deadline)
    : PooledConnection(open_channel(endpoint, resolver, tls, deadline)),
      replies_(channel(), max_reply_bytes) {
  introduce(endpoint, deadline);
}

void Connection::introduce(const Endpoint& endpoint, Deadline deadline) {
  const bool authenticates = !endpoint.password.empty();
  const bool selects = endpoint.database != 0;
  std::string commands;
  if (authenticates && endpoint.user.empty())
    append_command(commands, {"AUTH", endpoint.password});
  else if (authenticates)
    append_command(commands, {"AUTH", endpoint.user, endpoint.password});
  if (selects) append_command(commands, {"SELECT", std::to_string(endpoint.database)});
  if (commands.empty()) return;
  send(commands, deadline);
  // A server that is still loading refuses everything, and not because of what it was told.
  const auto refuse = [&](const Reply& reply, const std::string& what) {
    const std::string code(code_of(reply));
    if (reply.text.starts_with("ERR max number of clients"))  // which it says before it reads
      throw Error(endpoint.label() + ": the server has as many clients as it takes",
                  {.retryable = true, .native_code = code});
    // What the server says may repeat what it was sent.
    const std::string text =
        endpoint.label() + ": the server refuses " + what + (code.empty() ? "" : " (" + code + ')');
    if (code == "ERR" || code == "WRONGPASS" || code == "NOAUTH" || code == "NOPERM" ||
        code.empty())
      throw ConfigError(text);
    throw Error(text, {.retryable = true, .native_code = code});
  };
  if (authenticates)
    if (const Reply reply = next(deadline); reply.is != Reply::Is::text)
      refuse(reply, "the user or the password");
  if (selects)
    if (const Reply reply = next(deadline); reply.is != Reply::Is::text)
      refuse(reply, "the database " + std::to_string(endpoint.database));
}

}  // namespace querymark::redis

#pragma once

#include <pqxx/connection>
#include <pqxx/notification>
#include <string>

namespace querymark::test {

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"  // by libpqxx 7.10; 6.4 has no other
/// The payloads of a channel's notifications, one after the other, each with a blank behind it.
struct Heard final : pqxx::notification_receiver {
  using notification_receiver::notification_receiver;
  void operator()(const std::string& payload, int /*pid*/) override { payloads += payload + ' '; }
  std::string payloads;
};
#pragma GCC diagnostic pop

}  // namespace querymark::test

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "node.hpp"
#include "round.hpp"
#include "topology.hpp"

namespace querymark::redis {

/// A command on one key, as it is sent.
struct Command {
  std::uint16_t slot = 0;
  std::string bytes{};
};

/// What became of the commands of one call.
struct Outcome : net::Outcome {
  std::size_t redirected = 0;  ///< Commands that another server had.
};

/// Sends the commands of one call to the servers that have their slots, to all of them before any is
/// waited for: one round trip, and another for those whose slots have moved. A server that fails
/// loses its own commands alone.
class Exchange {
 public:
  /// Gets each answer that is no redirection, with its command's place and its server's name; of a
  /// list its length, and then what is in it, one by one. What it throws is a failure of that server.
  using Take = std::function<void(std::size_t at, const Reply& reply, const std::string& where)>;

  Exchange(Topology& topology, Access access, const Clock& clock, Deadline until)
      : topology_(topology),
        access_(access),
        until_(until),
        round_(access, clock, until, outcome_) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  /// Blocks until the deadline, or a few milliseconds longer for servers that were asked late. Throws
  /// Error when nobody knows where to send them.
  Outcome run(std::span<const Command> commands, const Take& take);

 private:
  struct Errand {
    std::size_t at = 0;  // of the commands
    bool asking = false;
    std::shared_ptr<Node> node{};  // null: of nobody who is known
  };
  struct Part;

  void turn(std::vector<Errand> errands);
  // What is sent to one server; valid until asked again.
  [[nodiscard]] std::string_view together(std::span<const Errand> errands);
  void receive(Part& part, Connection& connection, Deadline until);
  void receive_list(Part& part, Connection& connection, Deadline until, const Errand& errand,
                    std::int64_t length);
  void redirect(const Redirect& to, std::size_t at, const Node& said_by);
  void pass_by(std::size_t errands, const char* why);

  Topology& topology_;
  const Access access_;
  const Deadline until_;
  std::span<const Command> commands_{};
  const Take* take_ = nullptr;
  std::string together_{};
  std::vector<Errand> again_{};  // those that another server has
  Outcome outcome_{};
  net::Round<Node> round_;
};

}  // namespace querymark::redis

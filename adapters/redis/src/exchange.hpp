#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "node.hpp"
#include "topology.hpp"

namespace querymark::redis {

/// A command on one key, as it is sent.
struct Command {
  std::uint16_t slot = 0;
  std::string bytes{};
};

/// What became of the commands of one call.
struct Outcome {
  std::size_t lost = 0;          ///< Commands without an answer, or with one that was refused.
  std::size_t redirected = 0;    ///< Commands that another server had.
  std::exception_ptr failure{};  ///< Of the first server that failed; null: none was tried in vain.
  const char* passed_by = nullptr;  ///< Why the first one that was not tried was not.
};

/// Sends the commands of one call to the servers that have their slots, to all of them before any is
/// waited for: one round trip, and another for those whose slots have moved. A server that fails
/// loses its own commands alone.
class Exchange {
 public:
  /// Gets each answer that is no redirection, with its command's place and its server's name. What
  /// it throws is a failure of that server.
  using Take = std::function<void(std::size_t at, const Reply& reply, const std::string& where)>;

  Exchange(Topology& topology, Access access, const Clock& clock, Deadline until)
      : topology_(topology), access_(access), clock_(clock), until_(until) {}

  /// Blocks until the deadline, or a few milliseconds longer for servers that were asked late. Throws Error when nobody knows where to send them.
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
  void send(Part& part);
  void receive(std::vector<Part>& parts);
  void receive(Part& part);
  void redirect(const Redirect& to, std::size_t at, const Node& said_by);
  void fail(Part& part, const std::exception& thrown);
  void pass_by(std::size_t errands, const char* why);

  Topology& topology_;
  const Access access_;
  const Clock& clock_;
  Deadline until_;
  std::span<const Command> commands_{};
  const Take* take_ = nullptr;
  std::string together_{};
  std::vector<Errand> again_{};  // those that another server has
  Outcome outcome_{};
};

}  // namespace querymark::redis

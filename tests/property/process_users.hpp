#pragma once

#include <memory>
#include <optional>
#include <string>

#include "property/model_process.hpp"
#include "property/random.hpp"
#include "querymark/database/user_session.hpp"

// Somebody who writes and reads in whichever process, with a session that goes along as a text.

namespace querymark::test {

class User {
 public:
  explicit User(bool never_back) : monotonic(never_back) {}

  /// One request at a time, until what is returned is gone.
  [[nodiscard]] std::shared_ptr<User> turn() {
    std::shared_ptr<User> taken(this, [](User*) {});
    turn_ = taken;
    return taken;
  }
  [[nodiscard]] bool free() const { return turn_.expired(); }

  /// The session in this process: out of the text, or the one from before, if no other process has served
  /// the user since. It ends with the process: `leave`.
  [[nodiscard]] UserSession& in(ProcessDatabase& database, bool anew) {
    // What a database itself answers, its process may have yet to read in the log: memory, and other queries,
    // have that later. A replica's answers are all looked after.
    if (in_ != &database || database.process.has_replica()) seen_before_ = seen;
    if (anew || in_ != &database) session_ = database.user_session(text_);
    in_ = &database;
    if (monotonic) session_->monotonic();
    return *session_;
  }
  [[nodiscard]] Versions never_back() const { return monotonic ? seen_before_ : Versions{}; }
  void leave(const ProcessDatabase* database) {
    if (in_ == database) in_ = nullptr;
  }
  /// It is changed on the way.
  void damage_text(Choices& choices) {
    mutate(text_, choices);
    text_ += '!';  // or it might be an older one, or nobody's
    in_ = nullptr;
  }
  /// Of what was done in it.
  void keep() { text_ = session_->str(); }

  const bool monotonic;
  Versions written, seen;

 private:
  Versions seen_before_;  // it came to this process
  std::string text_;
  std::optional<UserSession> session_;
  const ProcessDatabase* in_ = nullptr;
  std::weak_ptr<User> turn_;
};

}  // namespace querymark::test

#pragma once  // For users.

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "querymark/database/database.hpp"
#include "querymark/log/receipt.hpp"
#include "querymark/read/consistency.hpp"

namespace querymark {

/// What one user has written, so that he reads it wherever his next request is served: a line in a
/// web handler, and a cookie.
///
///     qm::UserSession user = db.user_session(request.cookie("seen"));
///     user.write([&](auto& tx) { ... });
///     const auto orders = orders_of.reading(user)(7);
///     response.set_cookie("seen", user.str());
///
/// It remembers receipts as a set, not the last one: the highest position is not the last to
/// commit. Reads ask this process's marks, and the log only for what those do not include; they are
/// no older than each write that was remembered.
///
/// For one thread at a time; a value, not longer alive than its database. Its text is no secret and
/// not signed: who forges one harms his own reads alone, which then go to the log or the database.
class UserSession {
 public:
  /// Receipts that it remembers one by one. What is older is remembered by position: all writes up
  /// to there must be included, so a transaction that stays open somewhere makes each session that
  /// is read from text look at the log once.
  static constexpr std::size_t kMaxReceipts = 8;
  /// No text is longer.
  static constexpr std::size_t kMaxText = 4000;

  /// Made by Database::user_session.
  UserSession(Database& database, std::string_view text);

  /// Reads that never go back, in whichever processes they are served: where another process has
  /// served this user last, the first read here catches up with the log. Of a database that is read
  /// from a replica, too, each read does. Within one process what a read got from the database itself
  /// may be newer than what memory has for the next one, until the log tells of it: `strong` is not.
  UserSession& monotonic() &;
  UserSession&& monotonic() &&;

  /// See Database::write; remembers the receipt, also of a write in doubt.
  template <class Function>
  auto write(Function&& function) -> Written<std::invoke_result_t<Function&, Transaction&>> {
    try {
      auto written = database_->write(std::forward<Function>(function));
      remember(written.receipt);
      return written;
    } catch (const CommitInDoubt& doubt) {
      remember(doubt.receipt());
      throw;
    }
  }
  /// A write that was made otherwise. One of another namespace, or without intents, is nothing to
  /// remember.
  void remember(const Receipt& receipt);

  /// How fresh this user's reads must be, for `reading()`; eventual once the marks include all that
  /// is remembered, and then nothing outdated is served to who has written or reads monotonically.
  /// Blocks for a look at the log when they do not.
  [[nodiscard]] Consistency consistency();
  operator Consistency() { return consistency(); }  // so that reading(user) reads as it should

  /// For the next process, and this one: URL- and cookie-safe ASCII. What is not its text, or was
  /// changed on the way, is a session whose first read catches up with the log.
  [[nodiscard]] std::string str() const;
  [[nodiscard]] const std::vector<Receipt>& receipts() const noexcept { return receipts_; }

 private:
  [[nodiscard]] bool parse(std::string_view text);
  void forget();
  void forget_other_histories();
  void remember_all();
  void anchor(const Epoch& epoch);
  [[nodiscard]] Consistency wanted() const;
  [[nodiscard]] Consistency as_known() const;

  Database* database_;
  // All of one epoch, by position; none of them up to all_upto_, but for one that says of which epoch it is.
  std::vector<Receipt> receipts_;
  // All writes up to and including it, of the receipts' epoch.
  Position all_upto_;
  std::uint64_t served_by_ = 0;  // the process; zero: nobody has asked for monotonic reads
  bool catch_up_first_ = false;
  bool forgotten_ = false;  // what a look at the log has to stand for
  bool settled_ = false;    // the marks include all of it, and never less
};

}  // namespace querymark

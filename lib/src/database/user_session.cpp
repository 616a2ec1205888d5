#include "querymark/database/user_session.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "querymark/database/backend.hpp"

// The text: "qu1", the process whose marks served the user last (hexadecimal; zero: reads need not
// be monotonic; a dash: it has yet to catch up with the log) and the position up to which all is
// remembered, separated by dots; then the receipts, a tilde before each.

namespace querymark {
namespace {

constexpr std::string_view kVersion = "qu1.";
// Of a session that has yet to catch up, so that the next one does.
constexpr std::string_view kUnread = "-";

std::string hex_number(std::uint64_t value) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value, 16);
  return {digits, end.ptr};
}

// The number that the text begins with, cut off from it with the character behind it.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (end.ec != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end.ptr - text.data()));
  return value;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

UserSession::UserSession(Database& database, std::string_view text) : database_(&database) {
  if (text.empty() || parse(text)) return;
  served_by_ = 0;
  receipts_.clear();
  forget();
}

void UserSession::forget() {
  all_upto_ = {};
  catch_up_first_ = true;
  forgotten_ = true;
}

bool UserSession::parse(std::string_view text) {
  if (text.size() > kMaxText || !take(text, kVersion)) return false;
  const bool unread = take(text, kUnread);
  const auto served_by = unread ? std::optional<std::uint64_t>(0) : take_number(text);
  if (!served_by || !take(text, ".")) return false;
  const auto all_upto = take_number(text);
  if (!all_upto) return false;
  while (!text.empty()) {
    if (receipts_.size() == kMaxReceipts || !take(text, "~")) return false;
    const std::size_t end = std::min(text.find('~'), text.size());
    auto receipt = Receipt::parse(text.substr(0, end));
    if (!receipt || receipt->intents == 0 ||
        receipt->namespace_name != database_->backend().core().namespace_name())
      return false;
    if (!receipts_.empty() && (receipt->epoch != receipts_.front().epoch ||
                               receipt->position < receipts_.back().position))
      return false;
    receipts_.push_back(*std::move(receipt));
    text.remove_prefix(end);
  }
  if (*all_upto > 0 && receipts_.empty()) return false;  // of which epoch?
  all_upto_ = {*all_upto};
  served_by_ = *served_by;
  catch_up_first_ = forgotten_ = unread;
  return true;
}

std::string UserSession::str() const {
  // A look at the log stands for what has ended, not for what is in doubt.
  std::string text = std::string(kVersion) +
                     (catch_up_first_ ? std::string(kUnread) : hex_number(served_by_)) + '.' +
                     hex_number(all_upto_.value);
  for (const Receipt& receipt : receipts_) text += '~' + receipt.str();
  // Namespaces may be long, and are spelled in each receipt: the fewer are told apart then.
  if (text.size() <= kMaxText || receipts_.empty()) return text;
  UserSession shorter = *this;
  shorter.all_upto_ = receipts_.size() > 1 ? receipts_.front().position : all_upto_;
  shorter.receipts_.erase(shorter.receipts_.begin());
  return shorter.str();
}

UserSession& UserSession::monotonic() & {
  const std::uint64_t here = database_->backend().core().process_id;
  if (served_by_ != 0 && served_by_ != here) catch_up_first_ = true;
  served_by_ = here;
  return *this;
}

UserSession&& UserSession::monotonic() && { return std::move(monotonic()); }

void UserSession::remember(const Receipt& receipt) {
  if (receipt.intents == 0 ||
      receipt.namespace_name != database_->backend().core().namespace_name())
    return;
  // Also where it lies below what is remembered by position: it may have run at the last look.
  settled_ = false;
  // One of them is of a history that is over, and which one only the log tells. A look at it includes both, but
  // for what is in doubt.
  if (!receipts_.empty() && receipts_.front().epoch != receipt.epoch) {
    std::erase_if(receipts_, [&](const Receipt& one) { return receipt.in_doubt || !one.in_doubt; });
    forget();
    if (!receipts_.empty()) return;
  }
  if (receipt.position <= all_upto_ || std::ranges::find(receipts_, receipt) != receipts_.end())
    return;
  const auto place = std::ranges::upper_bound(receipts_, receipt.position, {}, &Receipt::position);
  receipts_.insert(place, receipt);
  if (receipts_.size() <= kMaxReceipts) return;
  all_upto_ = receipts_.front().position;
  receipts_.erase(receipts_.begin());
}

Consistency UserSession::wanted() const { return Consistency::at_least(receipts_, all_upto_); }

Consistency UserSession::consistency() {
  // A replica may show less than what an earlier read of this very process saw, of which the marks
  // may know nothing yet. Once they do, what is older is refused.
  if (served_by_ != 0 && database_->backend().has_replica()) catch_up_first_ = true;
  if (settled_ && !catch_up_first_) return as_known();
  DatabaseCore& core = database_->backend().core();
  if (catch_up_first_) {
    if (!core.subscriber.try_catch_up()) return Consistency::strong();
    catch_up_first_ = false;
    forget_other_histories();
    if (std::exchange(forgotten_, false)) remember_all();
  }
  Consistency wanted = this->wanted();
  settled_ = wanted.is_eventual() || wanted.met(core.source.marks());
  if (settled_) return as_known();
  if (!wanted.reach(core.subscriber)) return wanted;
  forget_other_histories();
  // Whatever was committed is included; what is in doubt may yet be.
  settled_ = std::ranges::none_of(receipts_, &Receipt::in_doubt);
  return as_known();
}

// The marks include all of it; what they have made outdated need not.
Consistency UserSession::as_known() const {
  if (receipts_.empty() && served_by_ == 0) return Consistency::eventual();
  return Consistency::not_outdated();
}

// After a look at the log: what it has never given out, or another history has, comes true nowhere. What
// another history had is there or is lost for all, but processes that have yet to hear of the new one may
// not have read of it.
void UserSession::forget_other_histories() {
  const Marks& marks = database_->backend().core().source.marks();
  const Cursor at = marks.cursor();
  const bool others = !receipts_.empty() && receipts_.front().epoch != at.epoch;
  std::erase_if(receipts_, [&](const Receipt& receipt) {
    return receipt.epoch != at.epoch ||
           (!receipt.in_doubt && receipt.position >= at.snapshot.limit() &&
            !marks.includes(receipt.epoch, receipt.position));
  });
  if (receipts_.empty()) all_upto_ = {};
  if (others) anchor(at.epoch);
}

// After a look at the log: all that it has given out, since nobody knows any more what of it was the user's.
void UserSession::remember_all() {
  const Cursor at = database_->backend().core().source.marks().cursor();
  const Position limit = at.snapshot.limit();
  all_upto_ = std::max(all_upto_, Position{limit.value - std::min<std::uint64_t>(limit.value, 1)});
  std::erase_if(receipts_, [&](const Receipt& receipt) { return receipt.position <= all_upto_; });
  if (receipts_.empty()) anchor(at.epoch);
}

// Says of which epoch what is remembered by position is.
void UserSession::anchor(const Epoch& epoch) {
  receipts_.insert(receipts_.begin(),
                   {.namespace_name = database_->backend().core().namespace_name(),
                    .epoch = epoch,
                    .position = all_upto_,
                    .write = {},
                    .intents = 1});
}

UserSession Database::user_session(std::string_view text) { return {*this, text}; }

}  // namespace querymark

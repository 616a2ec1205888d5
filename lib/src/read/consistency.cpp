#include "querymark/read/consistency.hpp"

#include <algorithm>
#include <utility>

#include "querymark/follow/subscriber.hpp"
#include "querymark/mark/marks.hpp"
#include "querymark/support/error.hpp"

namespace querymark {

Consistency Consistency::at_least(std::vector<Receipt> receipts, Position all_upto,
                                  TimeSpan patience) {
  Consistency wanted;
  wanted.patience_ = detail::not_negative(patience, "the patience of a read");
  // Of a write without intents no copy can be told to be stale.
  std::erase_if(receipts, [](const Receipt& receipt) { return receipt.intents == 0; });
  if (receipts.empty()) return wanted;
  wanted.kind_ = Kind::at_least;
  wanted.receipts_ = std::move(receipts);
  wanted.all_upto_ = all_upto;
  return wanted;
}

void Consistency::require_namespace(std::string_view namespace_name) const {
  for (const Receipt& receipt : receipts_)
    if (receipt.namespace_name != namespace_name)
      throw ConfigError("a read is to be no older than a write of the namespace \"" +
                        receipt.namespace_name + "\", and reads from \"" +
                        std::string(namespace_name) + "\"");
}

bool Consistency::met(const Marks& marks) const {
  if (kind_ != Kind::at_least) return is_eventual();
  return std::ranges::all_of(receipts_,
                             [&](const Receipt& receipt) {
                               return marks.includes(receipt.epoch, receipt.position);
                             }) &&
         (all_upto_ == Position{} || marks.includes_all(receipts_.front().epoch, all_upto_));
}

bool Consistency::reach(Subscriber& subscriber) const noexcept {
  if (kind_ == Kind::strong) return subscriber.try_catch_up();
  return subscriber.await([this](const Marks& marks) { return met(marks); }, patience_);
}

}  // namespace querymark

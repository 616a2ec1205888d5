#pragma once  // For users.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "querymark/mark/position.hpp"
#include "querymark/support/error.hpp"

namespace querymark {

/// What a write returns: enough for anyone with access to the same database to wait until the
/// write's invalidations have been applied where it matters. A value type.
struct Receipt {
  std::string namespace_name;
  Epoch epoch;
  Position position;
  WriteId write;
  std::uint32_t intents = 0;  ///< Number of own intents. Zero: there is nothing to wait for.
  /// Nobody knew whether the write had committed when the receipt was made. A wait then also looks
  /// for it in the log: its position is covered all the same once it was rolled back.
  bool in_doubt = false;

  /// One line of URL- and cookie-safe ASCII, such as `qm1.shop.<epoch>.1f.9c41....2`; with `.d` at
  /// its end when in doubt.
  [[nodiscard]] std::string str() const;
  /// Reads what `str()` wrote; nothing for any other text. Never throws on bad input.
  [[nodiscard]] static std::optional<Receipt> parse(std::string_view text);

  friend bool operator==(const Receipt&, const Receipt&) = default;
};

/// The outcome of a COMMIT is unknown: the connection or the disk failed in the middle of it. The
/// intents were applied to this process's marks all the same. Ask the database with the receipt
/// before repeating the write.
class CommitInDoubt : public Error {
 public:
  CommitInDoubt(const std::string& what, Receipt receipt, std::string native_code)
      : Error(what, {.connection_lost = true,
                     .outcome_unknown = true,
                     .native_code = std::move(native_code)}),
        receipt_(std::move(receipt)) {
    receipt_.in_doubt = true;
  }
  [[nodiscard]] const Receipt& receipt() const noexcept { return receipt_; }

 private:
  Receipt receipt_;
};

}  // namespace querymark

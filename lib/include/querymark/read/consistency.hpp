#pragma once  // For users.

#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "querymark/log/receipt.hpp"
#include "querymark/support/time_span.hpp"

namespace querymark {

class Marks;
class Subscriber;

/// How fresh a read must be. A value type.
class Consistency {
 public:
  /// How long `at_least` waits for the log before it reads the database.
  static constexpr std::chrono::milliseconds kPatience{50};

  /// What memory has, as far as this process has read the log.
  Consistency() = default;
  [[nodiscard]] static Consistency eventual() { return {}; }
  /// The same, but nothing that an invalidation has reached, whatever the query's policy allows
  /// (`revalidate_within`, `serve_invalidated_on_error`).
  [[nodiscard]] static Consistency not_outdated() {
    Consistency wanted;
    wanted.kind_ = Kind::not_outdated;
    return wanted;
  }
  /// No older than the write behind the receipt: the log is waited for, at most `patience`, and
  /// where that is not enough the database is read, past all copies and other callers' loads. A
  /// receipt that can't become true costs a look at the log. Throws ConfigError for a negative
  /// patience.
  [[nodiscard]] static Consistency at_least(Receipt receipt, TimeSpan patience = kPatience) {
    std::vector<Receipt> receipts;
    receipts.push_back(std::move(receipt));
    return at_least(std::move(receipts), {}, patience);
  }
  /// The same for several writes, and for all up to and including a position of the first one's
  /// epoch; zero: no further ones.
  [[nodiscard]] static Consistency at_least(std::vector<Receipt> receipts, Position all_upto,
                                            TimeSpan patience = kPatience);
  /// No older than the call: linearizable, as far as writes declare what they make stale. Catches up
  /// with the log first, by one statement that all strong reads share which arrive before it is
  /// sent; where the log can't be read, reads the database itself.
  [[nodiscard]] static Consistency strong() {
    Consistency wanted;
    wanted.kind_ = Kind::strong;
    return wanted;
  }

  /// Whether memory may answer without more ado.
  [[nodiscard]] bool is_eventual() const noexcept {
    return kind_ == Kind::eventual || kind_ == Kind::not_outdated;
  }
  [[nodiscard]] bool is_strong() const noexcept { return kind_ == Kind::strong; }

  // --- for the read path
  [[nodiscard]] bool allows_outdated() const noexcept { return kind_ == Kind::eventual; }
  /// Throws ConfigError for a receipt of another namespace.
  void require_namespace(std::string_view namespace_name) const;
  /// True when the marks are known to include enough; never for a strong read.
  [[nodiscard]] bool met(const Marks& marks) const;
  /// Sees to it that they do. False: they may not, so the database must answer. Blocks, for the
  /// log's own timeouts at most.
  [[nodiscard]] bool reach(Subscriber& subscriber) const noexcept;

 private:
  enum class Kind : std::uint8_t { eventual, not_outdated, at_least, strong };
  Kind kind_ = Kind::eventual;
  std::vector<Receipt> receipts_;
  Position all_upto_;
  TimeSpan patience_{};
};

}  // namespace querymark
